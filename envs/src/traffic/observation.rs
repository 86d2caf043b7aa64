//! What a crossing sees: the observations of published learners, by their names, and ours.
//!
//! Crossings differ; every list is as long as the longest needs, and zero where a crossing has less.

use super::state::{Shown, Vehicle};
use super::world::World;
use isonomy_engine::spec::Space;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a crossing sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Observation {
    /// Per movement: queue and vehicles within 100 m as shares of what fits, longest halt and mean wait in units of 120 s,
    /// free share of the lanes behind. Then the green, its time in minutes, and how the crossing's waiting compares
    /// with the network's.
    #[default]
    Fair,
    /// Fair, without the comparison with the network: everything is local.
    FairLocal,
    /// Vehicles on every incoming lane, then the green: LibSignal's DQN, FRAP, MPLight, CoLight.
    LaneCounts,
    /// Vehicles on every incoming and outgoing lane, then the green: PressLight.
    PressLight,
    /// Pressure of every movement, then the green: MPLight, XLight.
    MovementPressure,
    /// The green, then of every movement the queue before it, less that on the lanes behind it where they lead to another light:
    /// RESCO's `mplight`.
    QueuePressure,
    /// Per incoming lane: whether it has green, vehicles coming, total halt and queue over 28, sum of speeds over 560,
    /// within 200 m: RESCO's `drq_norm`.
    DrqNorm,
    /// Per incoming lane: vehicles within 50 m over 5 and the halt of the first over 100 s, both at most 2: MA2C, without
    /// what neighbours send.
    WaveAndWait,
    /// The same, then 0.9 times the vehicles within 50 m on the incoming lanes of every neighbour: MA2C, without the last
    /// policies of neighbours, which an environment does not know.
    Ma2c,
    /// The green, whether it may change, then density and queue of every incoming lane: sumo-rl.
    SumoRl,
    /// Per incoming lane the sum over vehicles of waiting over travel time so far, then the green: FairLight.
    FairLight,
}

/// Metres that a standing vehicle takes.
pub(super) const PLACE_M: f64 = 7.5;

/// How long lists must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    movements: usize,
    incoming: usize,
    outgoing: usize,
    greens: usize,
    neighbours: usize,
    crosswalks: usize,
    /// Crosswalks that a crossing sees.
    seen: usize,
}

impl Sizes {
    pub(super) fn of(world: &World) -> Self {
        let most = |count: &dyn Fn(&super::network::Crossing) -> usize| {
            world.network.controlled().map(|crossing| count(&world.network.crossings[crossing])).max().unwrap_or(0)
        };
        let crosswalks = |crossing| world.walkways.of(crossing).len();
        let crosswalks = world.network.controlled().map(crosswalks).max().unwrap_or(0);
        Sizes {
            movements: most(&|crossing| crossing.movements.len()),
            incoming: most(&|crossing| crossing.incoming.len()),
            outgoing: most(&|crossing| crossing.outgoing.len()),
            greens: most(&|crossing| crossing.greens.len()),
            neighbours: world.network.controlled().map(|crossing| world.neighbours(crossing).len()).max().unwrap_or(0),
            crosswalks,
            seen: if world.walkways.seen { crosswalks } else { 0 },
        }
    }

    pub(super) fn movements(&self) -> usize {
        self.movements
    }

    pub(super) fn incoming(&self) -> usize {
        self.incoming
    }

    pub(super) fn outgoing(&self) -> usize {
        self.outgoing
    }

    pub(super) fn greens(&self) -> usize {
        self.greens
    }

    pub(super) fn crosswalks(&self) -> usize {
        self.crosswalks
    }
}

/// Where the next number is written.
struct Pen<'f> {
    features: &'f mut [f32],
    at: usize,
}

impl Pen<'_> {
    fn write(&mut self, number: f64) {
        if let Some(feature) = self.features.get_mut(self.at) {
            *feature = number as f32;
        }
        self.at += 1;
    }

    fn skip_to(&mut self, at: usize) {
        self.at = at;
    }
}

impl Observation {
    /// How many numbers a crossing sees.
    pub(super) fn features(self, sizes: &Sizes) -> usize {
        let Sizes { movements, incoming, outgoing, greens, neighbours, seen, .. } = *sizes;
        let size = match self {
            Observation::Fair => movements * 5 + greens + 2,
            Observation::FairLocal => movements * 5 + greens + 1,
            Observation::LaneCounts | Observation::FairLight => incoming + greens,
            Observation::PressLight => incoming + outgoing + greens,
            Observation::MovementPressure | Observation::QueuePressure => movements + greens,
            Observation::DrqNorm => incoming * 5,
            Observation::WaveAndWait => incoming * 2,
            Observation::Ma2c => incoming * (2 + neighbours),
            Observation::SumoRl => greens + 1 + incoming * 2,
        };
        size.max(1) + 2 * seen
    }

    /// The same with `more` numbers, which are 0 or 1, and their bounds.
    pub(super) fn space(self, sizes: &Sizes, vehicles: usize, more: usize) -> Space {
        // Nothing that is counted exceeds the vehicles there are; what grows with time is cut off.
        let most = (vehicles as f32).max(MOST as f32);
        Space::Real { size: (self.features(sizes) + more) as u32, low: -most, high: most }
    }

    /// Writes what one crossing sees.
    pub(super) fn write(self, world: &World, state: Shown<'_>, sizes: &Sizes, crossing: usize, features: &mut [f32]) {
        features.fill(0.0);
        let view = Sight { world, state, crossing };
        let mut pen = Pen { features, at: 0 };
        match self {
            Observation::Fair | Observation::FairLocal => {
                view.movements(&mut pen);
                pen.skip_to(sizes.movements * 5);
                view.green(&mut pen, sizes.greens);
                pen.write((state.lights[crossing].since_s / 60.0).min(MOST));
                if self == Observation::Fair {
                    pen.write(view.compared());
                }
            }
            Observation::LaneCounts => {
                view.lanes(&mut pen, sizes.incoming, view.incoming(), |lane| view.count(lane));
                view.green(&mut pen, sizes.greens);
            }
            Observation::FairLight => {
                view.lanes(&mut pen, sizes.incoming, view.incoming(), |lane| view.waiting_shares(lane));
                view.green(&mut pen, sizes.greens);
            }
            Observation::PressLight => {
                let outgoing = &world.network.crossings[crossing].outgoing;
                view.lanes(&mut pen, sizes.incoming, view.incoming(), |lane| view.count(lane));
                view.lanes(&mut pen, sizes.outgoing, outgoing, |lane| view.count(lane));
                view.green(&mut pen, sizes.greens);
            }
            Observation::MovementPressure => {
                let movements = world.network.crossings[crossing].movements.clone();
                movements.for_each(|movement| pen.write(view.pressure(movement)));
                pen.skip_to(sizes.movements);
                view.green(&mut pen, sizes.greens);
            }
            Observation::QueuePressure => {
                view.green(&mut pen, sizes.greens);
                let movements = world.network.crossings[crossing].movements.clone();
                movements.for_each(|movement| pen.write(view.queue_pressure(movement)));
            }
            Observation::DrqNorm => view.incoming().iter().for_each(|&lane| view.drq(&mut pen, lane)),
            Observation::WaveAndWait => view.incoming().iter().for_each(|&lane| view.wave_and_wait(&mut pen, lane)),
            Observation::Ma2c => {
                view.incoming().iter().for_each(|&lane| view.wave_and_wait(&mut pen, lane));
                pen.skip_to(2 * sizes.incoming);
                for &crossing in world.neighbours(crossing) {
                    let other = Sight { crossing: crossing as usize, ..view };
                    view.lanes(&mut pen, sizes.incoming, other.incoming(), |lane| 0.9 * view.wave(lane));
                }
            }
            Observation::SumoRl => {
                view.green(&mut pen, sizes.greens);
                pen.write(f64::from(1 - state.lights[crossing].clearing));
                view.lanes(&mut pen, sizes.incoming, view.incoming(), |lane| view.share(lane, view.count(lane)));
                view.lanes(&mut pen, sizes.incoming, view.incoming(), |lane| view.share(lane, view.queue(lane)));
            }
        }
        if sizes.seen > 0 {
            pen.skip_to(pen.features.len() - 2 * sizes.seen);
            view.crosswalks(&mut pen);
        }
    }
}

/// Where numbers that grow with time are cut off.
const MOST: f64 = 4.0;

/// One crossing as it is seen.
#[derive(Clone, Copy)]
pub(super) struct Sight<'w, 's> {
    pub(super) world: &'w World,
    pub(super) state: Shown<'s>,
    pub(super) crossing: usize,
}

impl<'w, 's> Sight<'w, 's> {
    pub(super) fn incoming(&self) -> &'w [u32] {
        &self.world.network.crossings[self.crossing].incoming
    }

    pub(super) fn count(&self, lane: u32) -> f64 {
        f64::from(self.state.chains[lane as usize].vehicles)
    }

    pub(super) fn queue(&self, lane: u32) -> f64 {
        f64::from(self.state.chains[lane as usize].waiting)
    }

    pub(super) fn vehicles(&self, lane: u32) -> impl Iterator<Item = (u32, &'s Vehicle)> + use<'s> {
        self.world.on(self.state, lane)
    }

    /// Vehicles that fit on a lane.
    pub(super) fn fits(&self, lane: u32) -> f64 {
        (self.world.network.lanes[lane as usize].length_m / PLACE_M).floor().max(1.0)
    }

    fn share(&self, lane: u32, count: f64) -> f64 {
        (count / self.fits(lane)).min(1.0)
    }

    pub(super) fn halt_s(&self, vehicle: &Vehicle) -> f64 {
        f64::from(vehicle.halted) * self.world.clock.step_s
    }

    /// Waiting over travel time, of all vehicles on a lane.
    pub(super) fn waiting_shares(&self, lane: u32) -> f64 {
        let share = |(number, vehicle): (u32, &Vehicle)| {
            let steps = self.state.tally.steps - self.world.demand.departures[number as usize].step;
            f64::from(vehicle.waited) / f64::from(steps.max(1))
        };
        self.vehicles(lane).map(share).sum()
    }

    /// `x(from) / fits(from) - x(to) / fits(to)`, over the links of a movement.
    pub(super) fn pressure(&self, movement: u32) -> f64 {
        let links = self.world.network.movements[movement as usize].links.clone();
        let links = links.map(|link| &self.world.network.links[link as usize]);
        let filled = |lane| self.count(lane) / self.fits(lane);
        links.map(|link| filled(link.from) - filled(link.to)).sum()
    }

    /// Vehicles waiting on a lane that leads to a light which somebody controls.
    pub(super) fn queue_before_light(&self, lane: u32) -> f64 {
        if self.world.leads_to_light(lane) { self.queue(lane) } else { 0.0 }
    }

    /// Vehicles waiting before a movement, less those on the lanes behind it that lead to another light.
    fn queue_pressure(&self, movement: u32) -> f64 {
        let links = self.world.network.movements[movement as usize].links.clone();
        let to = |link: u32| self.world.network.links[link as usize].to;
        let once = links.clone().filter(|&link| (links.start..link).all(|earlier| to(earlier) != to(link)));
        let before: f64 = self.world.lanes_before(movement).map(|lane| self.queue(lane)).sum();
        before - once.map(|link| self.queue_before_light(to(link))).sum::<f64>()
    }

    /// Vehicles within 50 m of the end of a lane, over 5 and at most 2.
    fn wave(&self, lane: u32) -> f64 {
        let near = |this: &Vehicle| self.world.to_line_m(self.state, lane, this) <= 50.0;
        (self.vehicles(lane).filter(|(_, this)| near(this)).count() as f64 / 5.0).min(2.0)
    }

    fn lanes(&self, pen: &mut Pen<'_>, room: usize, lanes: &[u32], number: impl Fn(u32) -> f64) {
        let end = pen.at + room;
        lanes.iter().for_each(|&lane| pen.write(number(lane)));
        pen.skip_to(end);
    }

    fn green(&self, pen: &mut Pen<'_>, greens: usize) {
        let light = &self.state.lights[self.crossing];
        let shown = |green: usize| light.clearing == 0 && green == light.green as usize;
        (0..greens).for_each(|green| pen.write(f64::from(u8::from(shown(green)))));
    }

    fn movements(&self, pen: &mut Pen<'_>) {
        let network = &self.world.network;
        for movement in network.crossings[self.crossing].movements.clone() {
            let this = &network.movements[movement as usize];
            let links = &network.links[this.links.start as usize..this.links.end as usize];
            let lanes = network.roads[this.from as usize].lanes.clone();
            let (mut fits, mut queue, mut near, mut halt, mut waited, mut count) = (0.0, 0.0, 0.0, 0.0f64, 0.0, 0.0);
            for lane in lanes.filter(|&lane| links.iter().any(|link| link.from == lane)) {
                fits += self.fits(lane);
                for (_, vehicle) in self.vehicles(lane) {
                    if self.world.next_movement(vehicle) != Some(movement) {
                        continue;
                    }
                    queue += f64::from(u8::from(vehicle.halted > 0));
                    near += f64::from(u8::from(self.world.to_line_m(self.state, lane, vehicle) <= 100.0));
                    halt = halt.max(self.halt_s(vehicle));
                    waited += f64::from(vehicle.waited) * self.world.clock.step_s;
                    count += 1.0;
                }
            }
            let behind = network.roads[this.to as usize].lanes.clone();
            let taken: f64 = behind.clone().map(|lane| self.share(lane, self.count(lane))).sum();
            pen.write((queue / fits.max(1.0)).min(MOST));
            pen.write((near / 13.0).min(MOST));
            pen.write((halt / 120.0).min(2.0));
            pen.write(if count > 0.0 { (waited / count / 120.0).min(MOST) } else { 0.0 });
            pen.write(1.0 - taken / behind.len() as f64);
        }
    }

    /// How long the one has been standing who has been standing longest before a movement.
    pub(super) fn longest_halt_s(&self, movement: u32) -> f64 {
        let network = &self.world.network;
        let this = &network.movements[movement as usize];
        let links = &network.links[this.links.start as usize..this.links.end as usize];
        let lanes = network.roads[this.from as usize].lanes.clone();
        lanes
            .filter(|&lane| links.iter().any(|link| link.from == lane))
            .flat_map(|lane| self.vehicles(lane))
            .filter(|(_, vehicle)| self.world.next_movement(vehicle) == Some(movement))
            .map(|(_, vehicle)| self.halt_s(vehicle))
            .fold(0.0, f64::max)
    }

    fn crosswalks(&self, pen: &mut Pen<'_>) {
        for crosswalk in self.world.walkways.of(self.crossing) {
            let stand_s = f64::from(self.world.longest_stand(self.state, crosswalk)) * self.world.clock.step_s;
            pen.write((f64::from(self.state.curbs[crosswalk].waiting()) / 10.0).min(MOST));
            pen.write((stand_s / 120.0).min(2.0));
        }
    }

    /// Share of presence spent waiting since the last decision, relative to the network's.
    fn compared(&self) -> f64 {
        let own = share_waited(self.world, self.state, self.crossing);
        (own / (network_share_waited(self.world, self.state) + 0.05)).min(MOST)
    }

    fn drq(&self, pen: &mut Pen<'_>, lane: u32) {
        let (mut coming, mut halt, mut queue, mut speed) = (0.0, 0.0, 0.0, 0.0);
        for (_, vehicle) in
            self.vehicles(lane).filter(|(_, this)| self.world.to_line_m(self.state, lane, this) <= 200.0)
        {
            let waits = vehicle.halted > 0;
            queue += f64::from(u8::from(waits));
            coming += f64::from(u8::from(!waits));
            halt += self.halt_s(vehicle);
            speed += vehicle.speed_mps;
        }
        let leaving = self.world.network.lanes[lane as usize].leaving.clone();
        let links = &self.world.network.leaving[leaving.start as usize..leaving.end as usize];
        let free = links.iter().any(|&link| self.world.is_green(self.state.lights, link));
        pen.write(f64::from(u8::from(free)));
        pen.write(coming / 28.0);
        pen.write((halt / 28.0).min(f64::from(pen.features.len() as u32)));
        pen.write(queue / 28.0);
        pen.write(speed / 560.0);
    }

    fn wave_and_wait(&self, pen: &mut Pen<'_>, lane: u32) {
        let first = self.vehicles(lane).next().map_or(0.0, |(_, vehicle)| self.halt_s(vehicle));
        pen.write(self.wave(lane));
        pen.write((first / 100.0).min(2.0));
    }
}

/// Vehicle steps waited before a crossing since the last decision, and vehicles seen there.
pub(super) fn waited_and_seen(world: &World, state: Shown<'_>, crossing: usize) -> (f64, f64) {
    let lanes = world.network.crossings[crossing].incoming.iter().map(|&lane| &state.chains[lane as usize]);
    lanes.fold((0.0, 0.0), |(waited, seen), lane| (waited + f64::from(lane.waited), seen + f64::from(lane.seen)))
}

fn share(world: &World, (waited, seen): (f64, f64)) -> f64 {
    waited / (f64::from(world.decision_steps) * seen.max(1.0))
}

/// Share of presence before a crossing that was spent waiting since the last decision.
pub(super) fn share_waited(world: &World, state: Shown<'_>, crossing: usize) -> f64 {
    share(world, waited_and_seen(world, state, crossing))
}

/// The same of all crossings that are controlled.
pub(super) fn network_share_waited(world: &World, state: Shown<'_>) -> f64 {
    let all = world.network.controlled().map(|crossing| waited_and_seen(world, state, crossing));
    share(world, all.fold((0.0, 0.0), |sum, this| (sum.0 + this.0, sum.1 + this.1)))
}
