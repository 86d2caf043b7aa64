//! The fair planner and the fair learners against numbers that were computed independently.

mod enumeration;
mod instances;
mod learners;
mod planner;
