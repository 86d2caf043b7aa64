//! Targeted entropy: a price on being less, or more, certain than one means to be. Confucius3-Math, arXiv 2506.18330 (2025).

/// `price · |H − target|`, to be added to a loss.
pub fn charge(entropy: f64, target: f64, price: f64) -> f64 {
    price * (entropy - target).abs()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_numbers() {
        assert!((super::charge(0.3, 0.55, 0.001) - 0.000250).abs() < 1e-12);
    }
}
