//! Numbers from words of noise, in the order in which a sampler asks for them.

/// A sequence of words. Each kind of number takes one.
pub(crate) struct Words<'a> {
    word: &'a dyn Fn(usize) -> u32,
    taken: usize,
}

impl<'a> Words<'a> {
    /// From word number 0.
    pub(crate) fn new(word: &'a dyn Fn(usize) -> u32) -> Self {
        Words { word, taken: 0 }
    }

    /// Words taken so far.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Above 0 and below 1: `(word + 1/2) / 2^32`.
    pub(crate) fn uniform(&mut self) -> f64 {
        let word = (self.word)(self.taken);
        self.taken += 1;
        (f64::from(word) + 0.5) / 4_294_967_296.0
    }

    /// Of a whole number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    /// Standard normal: the quantile of a uniform number.
    pub(crate) fn normal(&mut self) -> f64 {
        normal_quantile(self.uniform())
    }

    /// Poisson, by inversion. `mean` is at most 700, where `exp(-mean)` is still a number.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        let uniform = self.uniform();
        let (mut count, mut chance) = (0u32, (-mean).exp());
        let mut below = chance;
        while below < uniform && count < most_poisson(mean) {
            count += 1;
            chance *= mean / f64::from(count);
            below += chance;
        }
        count
    }

    /// An index, with chances in proportion to the steps of `cumulative`, whose last entry is above 0.
    pub(crate) fn choice(&mut self, cumulative: &[f64]) -> usize {
        let at = self.uniform() * cumulative.last().copied().unwrap_or(0.0);
        cumulative.partition_point(|below| *below <= at).min(cumulative.len().saturating_sub(1))
    }
}

/// No uniform number gives more: the chance of more is below 2^-33.
pub(crate) fn most_poisson(mean: f64) -> u32 {
    (mean + 8.0 * mean.sqrt() + 16.0).ceil() as u32
}

/// The quantile function of the standard normal distribution: algorithm AS 241 (Wichura, Applied Statistics 37, 1988),
/// to 1e-15. Its third branch is for chances below 1e-11, which no word gives.
fn normal_quantile(chance: f64) -> f64 {
    let q = chance - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&MIDDLE, 0.180625 - q * q);
    }
    let tail = if q < 0.0 { chance } else { 1.0 - chance };
    let x = ratio(&TAIL, (-tail.ln()).sqrt() - 1.6);
    if q < 0.0 { -x } else { x }
}

/// A quotient of polynomials, coefficients of the highest power first.
fn ratio([above, below]: &[[f64; 8]; 2], r: f64) -> f64 {
    let polynomial = |coefficients: &[f64; 8]| coefficients.iter().fold(0.0, |sum, coefficient| sum * r + coefficient);
    polynomial(above) / polynomial(below)
}

#[rustfmt::skip]
const MIDDLE: [[f64; 8]; 2] = [
    [
        2.509_080_928_730_122_7e3, 3.343_057_558_358_813e4, 6.726_577_092_700_87e4, 4.592_195_393_154_987e4,
        1.373_169_376_550_946e4, 1.971_590_950_306_551_3e3, 1.331_416_678_917_843_8e2, 3.387_132_872_796_366_5,
    ],
    [
        5.226_495_278_852_855e3, 2.872_908_573_572_194_3e4, 3.930_789_580_009_271e4, 2.121_379_430_158_659_7e4,
        5.394_196_021_424_751e3, 6.871_870_074_920_579e2, 4.231_333_070_160_091e1, 1.0,
    ],
];

#[rustfmt::skip]
const TAIL: [[f64; 8]; 2] = [
    [
        7.745_450_142_783_414e-4, 2.272_384_498_926_918_4e-2, 2.417_807_251_774_506e-1, 1.270_458_252_452_368_4,
        3.647_848_324_763_204_5, 5.769_497_221_460_691, 4.630_337_846_156_546, 1.423_437_110_749_683_5,
    ],
    [
        1.050_750_071_644_416_9e-9, 5.475_938_084_995_345e-4, 1.519_866_656_361_645_7e-2, 1.481_039_764_274_800_8e-1,
        6.897_673_349_851e-1, 1.676_384_830_183_803_8, 2.053_191_626_637_759, 1.0,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (chance, quantile) in [
            (0.5, 0.0),
            (0.841_344_746_068_542_9, 1.0),
            (0.975, 1.959_963_984_540_054),
            (0.999, 3.090_232_306_167_813_5),
            (0.025, -1.959_963_984_540_054),
            (1e-9, -5.997_807_015_007_687),
        ] {
            assert!((normal_quantile(chance) - quantile).abs() < 1e-12, "{chance}");
        }
        // The ends of what a word gives.
        for word in [0, u32::MAX] {
            let normal = Words::new(&|_| word).normal();
            assert!(normal.abs() > 6.2 && normal.abs() < 6.4, "{normal}");
        }
    }

    #[test]
    fn chances_are_as_asked() {
        let chances = [0.0, 1.0, 1.0, 4.0, 4.0];
        let at = |word: u32| Words::new(&|_| word).choice(&chances);
        assert_eq!([0, (1 << 30) - 1, 1 << 30, u32::MAX].map(at), [1, 1, 3, 3]);
        let poisson = |chance: f64, mean: f64| Words::new(&|_| (chance * 4_294_967_296.0) as u32).poisson(mean);
        // Distribution function of the Poisson distribution of mean 3: .0498, .1991, .4232.
        assert_eq!([0.04, 0.05, 0.19, 0.2, 0.42, 0.43].map(|chance| poisson(chance, 3.0)), [0, 1, 1, 2, 2, 3]);
        assert_eq!((poisson(0.3, 0.0), Words::new(&|_| u32::MAX).poisson(0.0)), (0, 0));
        assert!(Words::new(&|_| u32::MAX).poisson(700.0) < most_poisson(700.0));
    }
}
