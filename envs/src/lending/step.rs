//! How credit scores move and what a loan earns. One word decides both.

use super::Lending;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::chance::{Lots, passes, threshold, thresholds};
use isonomy_engine::dynamics::{Dynamics, Moves, Starts, per_row};
use isonomy_engine::gpu::{Table, Twin};
use multiversion::multiversion;

/// Entries of the table of repayments: a power of two, so that a masked score is always inside.
pub(super) const SCORES: usize = 32;

const REJECT: u32 = 0;

/// What one applicant brings.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Applicant {
    /// A rejection hurts below this.
    hurts: u32,
    /// Where the thresholds of its start begin.
    starts: u32,
}

/// What all applicants face.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Terms {
    /// The best credit score.
    best: u32,
    /// Where a rejection that hurts leads: from the worst score to here,
    hurt_worst: u32,
    /// and from any other score this far down.
    hurt_by: u32,
    gain: f32,
    loss: f32,
    /// A loan is repaid below this.
    repays: [u32; SCORES],
}

/// All that lending needs.
pub(crate) struct Bank {
    terms: Terms,
    /// One entry per row of a batch.
    hurts: Vec<u32>,
    starts: Lots,
    twin: Twin,
}

impl From<&Lending> for Bank {
    fn from(lending: &Lending) -> Self {
        let (mut applicants, mut starts, mut lots) = (Vec::new(), Vec::new(), Vec::new());
        for group in &lending.groups {
            let own = thresholds(&group.start());
            let applicant = Applicant { hurts: threshold(group.handicap.get()), starts: starts.len() as u32 };
            applicants.extend(std::iter::repeat_n(applicant, group.agents.get() as usize));
            lots.extend(std::iter::repeat_n(own.clone(), group.agents.get() as usize));
            starts.extend(own);
        }
        let mut repays = [0; SCORES];
        for (repays, chance) in repays.iter_mut().zip(&lending.repay) {
            *repays = threshold(chance.get());
        }
        let best = lending.best() as u32;
        let terms = Terms {
            best,
            hurt_worst: lending.dropped(0) as u32,
            hurt_by: if lending.legacy { best } else { 1 },
            gain: lending.gain.get() as f32,
            loss: lending.loss.get() as f32,
            repays,
        };
        let hurts: Vec<u32> = applicants.iter().map(|applicant| applicant.hurts).collect();
        Bank {
            terms,
            hurts: per_row(&hurts),
            starts: Lots::new(&lots),
            twin: Twin {
                source: include_str!("step.wgsl"),
                tables: vec![
                    Table::new("applicants", &applicants),
                    Table::new("starts", &starts),
                    Table::new("terms", &[terms]),
                ],
            },
        }
    }
}

impl Dynamics for Bank {
    fn start(&self, starts: Starts<'_>) {
        self.starts.draw(starts.words, starts.state);
    }

    fn draws_starts(&self) -> bool {
        !self.starts.are_certain()
    }

    fn step(&self, moves: Moves<'_>) {
        let (loans, profit) = moves.reward.split_at_mut(moves.state.len());
        lend(&self.terms, &self.hurts, moves.action, moves.words, moves.state, loans, profit);
    }

    fn twin(&self) -> Option<Twin> {
        Some(self.twin.clone())
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn lend(
    terms: &Terms,
    hurts: &[u32],
    decision: &[u32],
    words: &[u32],
    score: &mut [u32],
    loans: &mut [f32],
    profit: &mut [f32],
) {
    let rows = score.len();
    let (hurts, decision, words) = (&hurts[..rows], &decision[..rows], &words[..rows]);
    let (loans, profit) = (&mut loans[..rows], &mut profit[..rows]);
    for row in 0..rows {
        let (at, accepted) = (score[row], decision[row] != REJECT);
        let below = if accepted { terms.repays[at as usize % SCORES] } else { hurts[row] };
        // Repaid where accepted, hurt where rejected.
        let happens = !passes(words[row], below);
        score[row] = if accepted { after_loan(terms, at, happens) } else { after_rejection(terms, at, happens) };
        loans[row] = f32::from(u8::from(accepted));
        let earned = if happens { terms.gain } else { -terms.loss };
        profit[row] = if accepted { earned } else { 0.0 };
    }
}

#[inline(always)]
fn after_loan(terms: &Terms, at: u32, repaid: bool) -> u32 {
    if repaid { (at + 1).min(terms.best) } else { at.saturating_sub(1) }
}

#[inline(always)]
fn after_rejection(terms: &Terms, at: u32, hurt: bool) -> u32 {
    let dropped = if at == 0 { terms.hurt_worst } else { at.saturating_sub(terms.hurt_by) };
    if hurt { dropped } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::assert_layout;
    use std::mem::offset_of;

    #[test]
    fn the_shader_lays_out_the_same_structs() {
        let applicant = [("hurts", offset_of!(Applicant, hurts)), ("starts", offset_of!(Applicant, starts))];
        assert_layout(include_str!("step.wgsl"), "Applicant", size_of::<Applicant>(), &applicant);
        let terms = [
            ("best", offset_of!(Terms, best)),
            ("hurt_worst", offset_of!(Terms, hurt_worst)),
            ("hurt_by", offset_of!(Terms, hurt_by)),
            ("gain", offset_of!(Terms, gain)),
            ("loss", offset_of!(Terms, loss)),
            ("repays", offset_of!(Terms, repays)),
        ];
        assert_layout(include_str!("step.wgsl"), "Terms", size_of::<Terms>(), &terms);
    }
}
