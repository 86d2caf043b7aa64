//! Methods that improve networks from rollouts.

mod actor;
mod adam;
mod choice;
mod coma;
mod episode;
mod ppo;
mod prices;
mod teaching;

pub use coma::{AdvancedComaExact, Coma};
pub use ppo::Ppo;

#[cfg(test)]
mod tests {
    use super::{AdvancedComaExact, Coma, Ppo};
    use crate::shapes::two_groups;
    use isonomy_engine::optimizer::Optimizer;

    #[test]
    fn critics_that_see_too_much_are_refused() {
        let mut crowd = two_groups(30, 4, 10);
        let ppo: Ppo = ron::from_str("(rate: 0.001)").expect("fields");
        let coma: Coma = ron::from_str("(rate: 0.001, critic_rate: 0.001)").expect("fields");
        let exact: AdvancedComaExact = ron::from_str("()").expect("fields");
        let methods: [&dyn Optimizer; 4] = [&ppo.clone(), &Ppo { central: true, ..ppo }, &coma, &exact];
        assert!(methods.iter().all(|method| method.check(&crowd).is_empty()));
        crowd.groups[0].agents = 100_000;
        let told = methods.map(|method| method.check(&crowd).iter().map(ToString::to_string).collect::<String>());
        assert_eq!(told[0], "");
        assert!(told[1].starts_with("critic: 198508194 weights"), "{told:?}");
        assert!(told[2].starts_with("critic: "), "{told:?}");
        assert!(told[3].contains("weights do not fit"), "{told:?}");
    }
}
