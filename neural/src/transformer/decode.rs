//! Responses to many prompts at once, with a cache of keys and values.
//!
//! A prompt is read once, whatever the number of responses to it; a response that has ended costs nothing more. Written by
//! hand because a library's operation costs more to call than a step of a small decoder takes.

use super::kernel::{OWN, PROMPT, Past, attend, gelu, product, rms_norm, softmax};
use super::shape::{LANES, Layout};
use isonomy_envs::reasoning::tasks::{EOS, LONGEST_PROMPT, MOST_TOKENS, PAD, VOCABULARY};

const _: () = assert!(LONGEST_PROMPT <= PROMPT && MOST_TOKENS <= OWN);

/// How the next token is chosen.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// The likeliest.
    Greedy,
    /// By chance.
    Sampled {
        /// A word of noise for every token, `[prompts, responses, MOST_TOKENS]`.
        words: &'a [u32],
        /// Logits are divided by this.
        temperature: f32,
    },
    /// As it was before: [`Generated::tokens`] and [`Generated::length`] of another call.
    Given {
        /// `[prompts, responses, MOST_TOKENS]`
        tokens: &'a [u8],
        /// `[prompts, responses]`
        length: &'a [u32],
        /// Logits are divided by this.
        temperature: f32,
    },
}

/// Responses to prompts, side by side; B = prompts × responses, T = [`MOST_TOKENS`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
    /// `[B, T]`; [`PAD`] behind the end.
    pub tokens: Vec<u8>,
    /// Tokens generated, the end among them, `[B]`.
    pub length: Vec<u32>,
    /// Of the tokens that were chosen, at the temperature at which they were; `[B, T]`, 0 behind the end.
    pub log_prob: Vec<f32>,
    /// Entropy before every choice, `[B, T]`.
    pub entropy: Vec<f32>,
    /// `Σ π²` before every choice, `[B, T]`.
    pub sum_squares: Vec<f32>,
}

impl Generated {
    fn clear(&mut self, rows: usize) {
        self.tokens.clear();
        self.tokens.resize(rows * MOST_TOKENS, PAD);
        self.length.clear();
        self.length.resize(rows, 0);
        for column in [&mut self.log_prob, &mut self.entropy, &mut self.sum_squares] {
            column.clear();
            column.resize(rows * MOST_TOKENS, 0.0);
        }
    }

    /// Adds some responses of another call.
    pub(crate) fn append(&mut self, other: &Generated, rows: std::ops::Range<usize>) {
        let cells = rows.start * MOST_TOKENS..rows.end * MOST_TOKENS;
        self.length.extend(&other.length[rows]);
        self.tokens.extend(&other.tokens[cells.clone()]);
        self.log_prob.extend(&other.log_prob[cells.clone()]);
        self.entropy.extend(&other.entropy[cells.clone()]);
        self.sum_squares.extend(&other.sum_squares[cells]);
    }

    /// Tokens that were generated.
    pub fn count(&self) -> u64 {
        self.length.iter().map(|&length| u64::from(length)).sum()
    }
}

/// Memory to decode in, kept from call to call.
#[derive(Default)]
pub struct Decoding {
    /// Keys `[prompts, layers, d, PROMPT]` and values `[prompts, layers, PROMPT, d]`.
    prompts: [Vec<f32>; 2],
    /// The same of responses, `OWN` in place of `PROMPT`.
    own: [Vec<f32>; 2],
    /// `[d, VOCABULARY]`, filled up to whole vectors.
    head: Vec<f32>,
    rows: Vec<Row>,
    x: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    wide: Vec<f32>,
    logits: Vec<f32>,
}

/// A token of which the decoder is to think.
#[derive(Clone, Copy)]
struct Row {
    token: u8,
    /// Which prompt of the chunk.
    prompt: usize,
    /// Which response of the chunk; none for a token of the prompt itself.
    response: Option<usize>,
    /// Tokens of the prompt that it may look at, itself among them where it is one.
    of_prompt: usize,
    /// The same of the response.
    of_own: usize,
}

/// Columns of logits, filled up to whole vectors.
const LOGITS: usize = VOCABULARY.next_multiple_of(LANES);
/// Responses that are generated side by side: as many as a second-level cache holds.
const SIDE_BY_SIDE: usize = 128;

impl Decoding {
    /// Writes `responses` responses to every prompt. A prompt has from 1 to [`LONGEST_PROMPT`] tokens.
    pub fn generate(
        &mut self,
        layout: &Layout,
        parameters: &[f32],
        prompts: &[Vec<u8>],
        responses: usize,
        choice: Choice<'_>,
        out: &mut Generated,
    ) {
        out.clear(prompts.len() * responses);
        self.head.clear();
        self.head.resize(layout.width * LOGITS, 0.0);
        let head = parameters[layout.head.clone()].chunks_exact(VOCABULARY);
        self.head.chunks_exact_mut(LOGITS).zip(head).for_each(|(to, from)| to[..VOCABULARY].copy_from_slice(from));
        let at_once = (SIDE_BY_SIDE / responses).max(1);
        for (chunk, prompts) in prompts.chunks(at_once).enumerate() {
            let first = chunk * at_once * responses;
            Chunk { layout, parameters, prompts, responses, first, choice }.generate(self, out);
        }
    }
}

/// Some prompts whose responses are generated together.
struct Chunk<'a> {
    layout: &'a Layout,
    parameters: &'a [f32],
    prompts: &'a [Vec<u8>],
    responses: usize,
    /// Number of its first response among all.
    first: usize,
    choice: Choice<'a>,
}

impl Chunk<'_> {
    fn generate(&self, memory: &mut Decoding, out: &mut Generated) {
        let (count, layers, width) = (self.prompts.len(), self.layout.layers.len(), self.layout.width);
        for (cache, slots, positions) in
            [(&mut memory.prompts, count, PROMPT), (&mut memory.own, count * self.responses, OWN)]
        {
            // What lies beyond the positions that are looked at is multiplied and then ignored.
            cache.iter_mut().for_each(|part| part.resize(slots * layers * width * positions, 0.0));
        }
        memory.rows.clear();
        for (prompt, tokens) in self.prompts.iter().enumerate() {
            let row = |(at, &token)| Row { token, prompt, response: None, of_prompt: at + 1, of_own: 0 };
            memory.rows.extend(tokens.iter().enumerate().map(row));
        }
        self.think(memory);
        // The last token of every prompt says what comes first in all responses to it.
        let mut end = 0;
        let mut ends = Vec::with_capacity(count);
        for tokens in self.prompts {
            end += tokens.len();
            ends.push(end - 1);
        }
        for (slot, &end) in ends.iter().enumerate() {
            memory.x.copy_within(end * width..(end + 1) * width, slot * width);
        }
        self.conclude(memory, count);
        let mut alive = Vec::with_capacity(count * self.responses);
        let spoken = std::mem::take(&mut memory.logits);
        for response in 0..count * self.responses {
            let prompt = response / self.responses;
            let mut logits = [0.0; VOCABULARY];
            logits.copy_from_slice(&spoken[prompt * LOGITS..][..VOCABULARY]);
            if let Some(token) = self.choose(response, 0, &mut logits, out) {
                let of_prompt = self.prompts[prompt].len();
                alive.push(Row { token, prompt, response: Some(response), of_prompt, of_own: 1 });
            }
        }
        memory.logits = spoken;
        while !alive.is_empty() {
            memory.rows.clone_from(&alive);
            self.think(memory);
            self.conclude(memory, alive.len());
            let mut row = 0;
            alive.retain_mut(|at| {
                let logits = &mut memory.logits[row * LOGITS..][..VOCABULARY];
                row += 1;
                let next = self.choose(at.response.unwrap_or_default(), at.of_own, logits, out);
                (at.token, at.of_own) = (next.unwrap_or(PAD), at.of_own + 1);
                next.is_some()
            });
        }
    }

    /// Chooses a token of a response of this chunk; none after its last.
    fn choose(&self, response: usize, at: usize, logits: &mut [f32], out: &mut Generated) -> Option<u8> {
        let response = self.first + response;
        let cell = response * MOST_TOKENS + at;
        let likeliest = |logits: &[f32]| {
            let better = |best: usize, next: usize| if logits[next] > logits[best] { next } else { best };
            (1..VOCABULARY).fold(0, better)
        };
        let (token, entropy, squares) = match self.choice {
            Choice::Greedy => {
                let token = likeliest(logits);
                let (entropy, squares) = softmax(logits, 1.0);
                (token, entropy, squares)
            }
            Choice::Sampled { words, temperature } => {
                let (entropy, squares) = softmax(logits, temperature);
                (drawn(logits, words[cell]), entropy, squares)
            }
            Choice::Given { tokens, length, temperature } => {
                if at >= length[response] as usize {
                    return None;
                }
                let (entropy, squares) = softmax(logits, temperature);
                (usize::from(tokens[cell]), entropy, squares)
            }
        };
        out.tokens[cell] = token as u8;
        out.length[response] = at as u32 + 1;
        out.log_prob[cell] = logits[token].max(f32::MIN_POSITIVE).ln();
        out.entropy[cell] = entropy.max(0.0);
        out.sum_squares[cell] = squares;
        (token != usize::from(EOS) && at + 1 < MOST_TOKENS).then_some(token as u8)
    }

    /// Lets all rows pass the layers, `x`, `[rows, d]`; their keys and values go into the caches.
    fn think(&self, memory: &mut Decoding) {
        let (layout, width) = (self.layout, self.layout.width);
        let Decoding { prompts, own, rows, x, normed, qkv, wide, .. } = memory;
        let of = |range: &std::ops::Range<usize>| &self.parameters[range.clone()];
        let (tokens, positions) = (of(&layout.tokens), of(&layout.positions));
        for (buffer, columns) in
            [(&mut *x, width), (&mut *normed, width), (&mut *qkv, 3 * width), (&mut *wide, 4 * width)]
        {
            buffer.resize(rows.len() * columns, 0.0);
        }
        let (x, normed) = (&mut x[..rows.len() * width], &mut normed[..rows.len() * width]);
        let (qkv, wide) = (&mut qkv[..rows.len() * 3 * width], &mut wide[..rows.len() * 4 * width]);
        for (x, row) in x.chunks_exact_mut(width).zip(&*rows) {
            let token = &tokens[usize::from(row.token) * width..][..width];
            let position = &positions[(row.of_prompt + row.of_own - 1) * width..][..width];
            x.iter_mut().zip(token.iter().zip(position)).for_each(|(x, (token, position))| *x = token + position);
        }
        for (index, layer) in layout.layers.iter().enumerate() {
            rms_norm(x, of(&layer.norm), normed);
            product(normed, width, of(&layer.qkv), 3 * width, qkv, false);
            let slot = |slot: usize| slot * layout.layers.len() + index;
            for (row, qkv) in rows.iter().zip(qkv.chunks_exact(3 * width)) {
                let (cache, slot, positions, at) = match row.response {
                    None => (&mut *prompts, slot(row.prompt), PROMPT, row.of_prompt - 1),
                    Some(response) => (&mut *own, slot(response), OWN, row.of_own - 1),
                };
                let [keys, values] = cache;
                let first = slot * width * positions;
                for (key, to) in qkv[width..2 * width].iter().zip(keys[first..].chunks_exact_mut(positions)) {
                    to[at] = *key;
                }
                values[first + at * width..][..width].copy_from_slice(&qkv[2 * width..]);
            }
            for ((row, qkv), out) in rows.iter().zip(qkv.chunks_exact(3 * width)).zip(normed.chunks_exact_mut(width)) {
                let prompt = past(prompts, width * PROMPT, slot(row.prompt), row.of_prompt);
                let own = past(own, width * OWN, slot(row.response.unwrap_or(0)), row.of_own);
                attend(&qkv[..width], layout.heads, prompt, own, out);
            }
            product(normed, width, of(&layer.out), width, x, true);
            rms_norm(x, of(&layer.second_norm), normed);
            product(normed, width, of(&layer.up), 4 * width, wide, false);
            gelu(wide);
            product(wide, 4 * width, of(&layer.down), width, x, true);
        }
    }

    /// Turns the first rows of `x` into logits, `[rows, LOGITS]`.
    fn conclude(&self, memory: &mut Decoding, rows: usize) {
        let width = self.layout.width;
        let Decoding { head, x, normed, logits, .. } = memory;
        logits.resize((rows * LOGITS).max(logits.len()), 0.0);
        let normed = &mut normed[..rows * width];
        rms_norm(&x[..rows * width], &self.parameters[self.layout.norm.clone()], normed);
        product(normed, width, head, LOGITS, &mut logits[..rows * LOGITS], false);
    }
}

/// One slot of a cache of keys and values, `len` numbers each.
fn past([keys, values]: &[Vec<f32>; 2], len: usize, slot: usize, seen: usize) -> Past<'_> {
    let own = slot * len..(slot + 1) * len;
    Past { keys: &keys[own.clone()], values: &values[own], seen }
}

/// The token on which a word of noise falls.
fn drawn(probabilities: &[f32], word: u32) -> usize {
    let at = (word >> 8) as f32 * (1.0 / 16_777_216.0);
    let mut below = 0.0;
    for (token, probability) in probabilities.iter().enumerate() {
        below += probability;
        if at < below {
            return token;
        }
    }
    // Rounding may leave a little above the last.
    probabilities.iter().rposition(|&probability| probability > 0.0).unwrap_or(0)
}
