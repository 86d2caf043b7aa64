//! The grid of a site: stations, and limits on sums of their currents.
//!
//! A limit is `|Σ_i A_ji e^{jφ_i} I_i + o_j| ≤ L_j` (Lee et al., *Adaptive Charging Networks*, IEEE TSG 2021), in ampere, or
//! in kilowatt where it is on power. Stations that stand the same in every limit are one *class*, and limits only see
//! the sum of a class: 54 stations at Caltech are 5 classes, so nothing below depends on the number of stations.

use super::pilots::Pilots;

/// A station, as its current is seen by the grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Station {
    /// Name in records.
    pub name: String,
    /// Power per ampere: volts / 1000, and √3 times that for three phases.
    pub kw_per_amp: f64,
    /// Angle of the current, in degrees.
    pub phase_deg: f64,
    /// What it can offer.
    pub pilots: Pilots,
    /// Largest current back to the grid.
    pub most_back: f64,
    /// Who runs it.
    pub operator: u32,
    /// Stations with the same number share a post, and with it one station's largest current.
    pub post: Option<u32>,
}

/// What a limit adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adds {
    /// Currents with their angles.
    Phasors,
    /// Absolute values of currents: never more than what phasors allow.
    Magnitudes,
    /// Power in kW.
    Power,
}

/// A limit on a weighted sum of currents.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Name in records.
    pub name: String,
    /// The bound, in ampere (kW for power).
    pub most: f64,
    /// What is added up.
    pub adds: Adds,
    /// Stations and their coefficients; the others have none.
    pub terms: Vec<(usize, f64)>,
}

/// A complex coefficient of a class in a limit; `to` is the class or the limit, whichever the list is not sorted by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Index of the class (or of the limit).
    pub to: u32,
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

/// What a limit carries, as a complex number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Real part.
    pub re: f64,
    /// Imaginary part.
    pub im: f64,
}

impl Flow {
    /// The square of its size.
    pub fn square(self) -> f64 {
        self.re * self.re + self.im * self.im
    }

    /// A multiple of it.
    pub fn times(self, by: f64) -> Flow {
        Flow { re: self.re * by, im: self.im * by }
    }

    /// The real part of `conj(self) · other`.
    pub fn dot(self, other: Flow) -> f64 {
        self.re * other.re + self.im * other.im
    }
}

impl Term {
    /// The coefficient.
    pub fn flow(self) -> Flow {
        Flow { re: self.re, im: self.im }
    }
}

/// Stations and limits, prepared.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Stations in the order of their registration, which breaks ties.
    pub stations: Vec<Station>,
    /// Limits as they were given.
    pub limits: Vec<Limit>,
    /// The class of every station.
    pub class: Vec<u32>,
    /// Posts that several stations share, numbered from 0.
    pub posts: u32,
    gives_back: bool,
    stepless: bool,
    most: Vec<f64>,
    offset: Vec<f64>,
    rows: Vec<Term>,
    row_ends: Vec<u32>,
    columns: Vec<Term>,
    column_ends: Vec<u32>,
    steepest: Vec<f64>,
}

/// How much more than its bound a limit may carry.
pub fn tolerance(most: f64) -> f64 {
    (1e-7 * most).max(1e-5)
}

impl Grid {
    /// Finds the classes of the stations and sorts the coefficients by limit and by class.
    pub fn new(stations: Vec<Station>, limits: Vec<Limit>) -> Self {
        let mut columns: Vec<Vec<Term>> = vec![Vec::new(); stations.len()];
        for (to, limit) in (0..).zip(&limits) {
            for &(station, coefficient) in &limit.terms {
                let Station { kw_per_amp, phase_deg, .. } = stations[station];
                let (size, angle) = match limit.adds {
                    Adds::Phasors => (coefficient, phase_deg.to_radians()),
                    Adds::Magnitudes => (coefficient.abs(), 0.0),
                    Adds::Power => (coefficient * kw_per_amp, 0.0),
                };
                columns[station].push(Term { to, re: size * angle.cos(), im: size * angle.sin() });
            }
        }
        let mut classes: Vec<Vec<Term>> = Vec::new();
        let mut class = Vec::new();
        for column in columns {
            let known = classes.iter().position(|other| *other == column);
            class.push(known.unwrap_or(classes.len()) as u32);
            if known.is_none() {
                classes.push(column);
            }
        }
        let rows: Vec<Vec<Term>> = (0..limits.len() as u32).map(|limit| row(&classes, limit)).collect();
        let (most, offset) = (limits.iter().map(|limit| limit.most).collect(), vec![0.0; limits.len()]);
        let posts = stations.iter().filter_map(|station| station.post).max().map_or(0, |post| post + 1);
        let size = |term: &Term| term.flow().square().sqrt();
        let steepest = rows.iter().map(|row| row.iter().map(size).fold(0.0, f64::max)).collect();
        let (rows, row_ends) = flat(rows);
        let (columns, column_ends) = flat(classes);
        let gives_back = stations.iter().any(|station| station.most_back > 0.0);
        let stepless = stations.iter().all(|station| station.pilots.continuous() && station.pilots.least <= 0.0);
        Grid {
            stations,
            limits,
            class,
            posts,
            gives_back,
            stepless,
            most,
            offset,
            rows,
            row_ends,
            columns,
            column_ends,
            steepest,
        }
    }

    /// The bounds as given, with no other load.
    pub fn bounds(&self) -> Bounds<'_> {
        Bounds { most: &self.most, offset: &self.offset }
    }

    /// Whether any station can give back.
    pub fn gives_back(&self) -> bool {
        self.gives_back
    }

    /// Whether all stations can offer anything up to their largest current.
    pub fn stepless(&self) -> bool {
        self.stepless
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.column_ends.len()
    }

    /// The largest of a limit's coefficients.
    pub fn steepest(&self, limit: usize) -> f64 {
        self.steepest[limit]
    }

    /// The classes in a limit.
    pub fn row(&self, limit: usize) -> &[Term] {
        slice(&self.rows, &self.row_ends, limit)
    }

    /// The limits that a class is part of.
    pub fn column(&self, class: usize) -> &[Term] {
        slice(&self.columns, &self.column_ends, class)
    }

    /// Adds up the currents of every class.
    pub fn sums(&self, amps: &[f64], sums: &mut [f64]) {
        sums.fill(0.0);
        for (&class, &amps) in self.class.iter().zip(amps) {
            sums[class as usize] += amps;
        }
    }

    /// The same where the other stations draw nothing.
    pub fn sums_of(&self, stations: &[u32], amps: &[f64], sums: &mut [f64]) {
        if let [sum] = sums {
            *sum = stations.iter().fold(0.0, |sum, &station| sum + amps[station as usize]);
            return;
        }
        sums.fill(0.0);
        // Neighbours are often of one class: their sum stays in a register.
        let (mut last, mut sum) = (0, 0.0);
        for &station in stations {
            let class = self.class[station as usize];
            if class != last {
                sums[last as usize] += sum;
                (last, sum) = (class, 0.0);
            }
            sum += amps[station as usize];
        }
        sums[last as usize] += sum;
    }

    /// What every limit carries beside its offset.
    pub fn flows(&self, sums: &[f64], flows: &mut [Flow]) {
        let mut begin = 0;
        for (flow, &end) in flows.iter_mut().zip(&self.row_ends) {
            let mut sum = Flow::default();
            for term in &self.rows[begin..end as usize] {
                sum.re += term.re * sums[term.to as usize];
                sum.im += term.im * sums[term.to as usize];
            }
            *flow = sum;
            begin = end as usize;
        }
    }

    /// The power that all stations may draw together, where one limit says so.
    pub fn power_limit(&self) -> Option<f64> {
        let [first, others @ ..] = &self.stations[..] else { return None };
        let alike =
            others.iter().all(|other| (other.kw_per_amp, other.phase_deg) == (first.kw_per_amp, first.phase_deg));
        let whole = |limit: &&Limit| {
            limit.terms.len() == self.stations.len() && limit.terms.iter().all(|(_, coefficient)| *coefficient == 1.0)
        };
        let kw = |limit: &Limit| match limit.adds {
            Adds::Power => Some(limit.most),
            Adds::Phasors | Adds::Magnitudes => alike.then_some(limit.most * first.kw_per_amp),
        };
        self.limits.iter().filter(whole).filter_map(kw).reduce(f64::min)
    }

    /// By how much the limits are exceeded, added up.
    pub fn excess(&self, flows: &[Flow], bounds: &Bounds<'_>) -> f64 {
        let mut excess = 0.0;
        for (limit, (&flow, &most)) in flows.iter().zip(bounds.most).enumerate() {
            let square = bounds.with(limit, flow).square();
            if square > most * most {
                excess += (square.sqrt() - most).max(0.0);
            }
        }
        excess
    }
}

fn row(classes: &[Vec<Term>], limit: u32) -> Vec<Term> {
    let of = |(class, column): (usize, &Vec<Term>)| {
        let term = column.iter().find(|term| term.to == limit)?;
        Some(Term { to: class as u32, ..*term })
    };
    classes.iter().enumerate().filter_map(of).collect()
}

fn flat(lists: Vec<Vec<Term>>) -> (Vec<Term>, Vec<u32>) {
    let mut end = 0;
    let ends = lists.iter().map(|list| {
        end += list.len() as u32;
        end
    });
    (lists.iter().flatten().copied().collect(), ends.collect())
}

fn slice<'a>(terms: &'a [Term], ends: &[u32], index: usize) -> &'a [Term] {
    let begin = if index == 0 { 0 } else { ends[index - 1] };
    &terms[begin as usize..ends[index] as usize]
}

/// What the limits are in one step: bounds and the load that is there without any car, both real numbers.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// The bound of every limit.
    pub most: &'a [f64],
    /// What every limit carries without any car.
    pub offset: &'a [f64],
}

impl Bounds<'_> {
    /// The whole flow through a limit.
    pub fn with(&self, limit: usize, flow: Flow) -> Flow {
        Flow { re: flow.re + self.offset[limit], im: flow.im }
    }

    /// The bound that commands are held to. Where the load alone is beyond the bound, it is that load: no command
    /// repairs it, none may make it worse.
    pub fn reach(&self, limit: usize) -> f64 {
        self.most[limit].max(self.offset[limit].abs())
    }

    /// The square of what a limit may carry, with its tolerance.
    pub fn room(&self, limit: usize) -> f64 {
        let reach = self.reach(limit);
        let reach = reach + tolerance(reach);
        reach * reach
    }

    /// Whether a limit holds, within its tolerance.
    pub fn holds(&self, limit: usize, flow: Flow) -> bool {
        self.with(limit, flow).square() <= self.room(limit)
    }

    /// Whether all limits hold.
    pub fn all_hold(&self, flows: &[Flow]) -> bool {
        flows.iter().enumerate().all(|(limit, &flow)| self.holds(limit, flow))
    }
}
