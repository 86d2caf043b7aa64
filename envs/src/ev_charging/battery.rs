//! Batteries: what a car makes of a current.
//!
//! The charge of a two-stage battery solves `ds/dt = η min(p, p_max (1-s)/(1-s_tr))/C` exactly, so that a step may be as
//! long as it likes (closed form after Lee et al., *ACN-Sim*; the efficiency is an addition).

/// How charging slows down towards a full battery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Taper {
    /// Not at all.
    Never,
    /// Exponentially above `from`, in closed form.
    Smooth {
        /// State of charge above which the battery takes less than its most.
        from: f64,
        /// How much faster than the closed form the rest is filled: 5 in the configurations of EV2Gym, else 1.
        /// What a step adds is never more than what was offered.
        haste: f64,
    },
    /// The power that the state at the beginning of a step allows, held for the whole step.
    Stepwise {
        /// State of charge above which the battery takes less than its most.
        from: f64,
    },
}

/// A battery, without its charge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Battery {
    /// Energy of a full one.
    pub capacity_kwh: f64,
    /// Largest power from the grid.
    pub most_kw: f64,
    /// Largest power to the grid.
    pub most_back_kw: f64,
    /// Share of its capacity that is never given back.
    pub least_share: f64,
    /// Share of the energy from the grid that is stored.
    pub charging: f64,
    /// Share of the stored energy that comes back.
    pub discharging: f64,
    /// How it slows down.
    pub taper: Taper,
}

impl Battery {
    /// Follows a power for `hours`, negative for back to the grid. Returns the energy that the grid gave and what is
    /// stored afterwards, both in kWh.
    #[inline]
    pub fn follow(&self, stored: f64, kw: f64, hours: f64) -> (f64, f64) {
        if kw < 0.0 { self.give(stored, -kw, hours) } else { self.take(stored, kw, hours) }
    }

    #[inline]
    fn take(&self, stored: f64, kw: f64, hours: f64) -> (f64, f64) {
        let kw = kw.min(self.most_kw);
        let room = (self.capacity_kwh - stored).max(0.0);
        if kw <= 0.0 || room == 0.0 {
            return (0.0, stored);
        }
        let offered = self.charging * kw * hours;
        let added = match self.taper {
            Taper::Never => offered.min(room),
            Taper::Stepwise { from } => {
                let share = room / self.capacity_kwh;
                let allowed = if share < 1.0 - from { self.most_kw * share / (1.0 - from) } else { self.most_kw };
                (self.charging * kw.min(allowed) * hours).min(room)
            }
            Taper::Smooth { from, haste } => self.tapered(room, kw, hours, offered, 1.0 - from, haste),
        };
        (added / self.charging, stored + added)
    }

    /// `tail`: the share of the capacity in which the power falls.
    #[inline]
    fn tapered(&self, room: f64, kw: f64, hours: f64, offered: f64, tail: f64, haste: f64) -> f64 {
        let limited = kw / self.most_kw * tail * self.capacity_kwh;
        if room - offered >= limited {
            return offered;
        }
        let (left, hours) =
            if room <= limited { (room, hours) } else { (limited, hours - (room - limited) / (self.charging * kw)) };
        let rate = haste * self.charging * self.most_kw / (tail * self.capacity_kwh);
        (room - left * (-hours * rate).exp()).min(offered)
    }

    #[inline]
    fn give(&self, stored: f64, kw: f64, hours: f64) -> (f64, f64) {
        let spare = (stored - self.least_share * self.capacity_kwh).max(0.0);
        let given = (kw.min(self.most_back_kw) * hours).min(spare * self.discharging);
        (-given, stored - given / self.discharging)
    }
}

/// How much of its capacity a battery lost during a stay.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wear {
    /// By age at its state of charge.
    pub calendar: f64,
    /// By the energy that went through it.
    pub cyclic: f64,
}

/// Wear of a stay (the model of EV2Gym, arXiv 2404.01849). `socs` are the states of charge at arrival and after every
/// step in which the battery was active.
pub fn wear(socs: &[f32], throughput_kwh: f64, stay_hours: f64) -> Wear {
    const HALF_SOC_VOLTS: f64 = 3.3324 + 0.8263 * 0.5;
    const AMP_HOURS_PER_KWH: f64 = 2.05 / 78.0;
    const LIFETIME_DAYS: f64 = 2.0 * 730.0;
    const YEARLY_KM: f64 = 15000.0;
    const KWH_PER_KM: f64 = 0.186;
    if socs.is_empty() {
        return Wear::default();
    }
    let count = socs.len() as f64;
    let mean = socs.iter().map(|&soc| f64::from(soc)).sum::<f64>() / count;
    let depth = 2.0 * socs.iter().map(|&soc| (f64::from(soc) - mean).abs()).sum::<f64>() / count;
    let volts = 3.3324 + 0.8263 * mean;
    let arrhenius = (-6976.0_f64 / 298.15).exp();
    let calendar = (7.543e6 * volts - 23.75e6) * arrhenius * 0.75 * (stay_hours / 24.0) / 730_f64.powf(0.25);
    let through = throughput_kwh * AMP_HOURS_PER_KWH;
    let lifetime = LIFETIME_DAYS * (YEARLY_KM / 365.0) * KWH_PER_KM * AMP_HOURS_PER_KWH;
    let stress = 7.348e-3 * (HALF_SOC_VOLTS - 3.667).powi(2) + 7.6e-4 + 4.081e-3 * depth;
    Wear { calendar, cyclic: stress * 0.5 * through / lifetime.sqrt() }
}

/// The smallest usual capacity for which some state of charge at arrival lets the request fit into the stay, with the
/// largest such state: what ACN-Sim assumes where a source knows energies alone. `None` where no usual one does.
pub fn sized(requested_kwh: f64, hours: f64, most_kw: f64, from: f64) -> Option<(f64, f64)> {
    const USUAL_KWH: [f64; 6] = [8.0, 24.0, 40.0, 60.0, 85.0, 100.0];
    USUAL_KWH.into_iter().find_map(|capacity_kwh| {
        let taper = Taper::Smooth { from, haste: 1.0 };
        let battery = Battery {
            capacity_kwh,
            most_kw,
            most_back_kw: 0.0,
            least_share: 0.0,
            charging: 1.0,
            discharging: 1.0,
            taper,
        };
        let fits = |stored: f64| battery.follow(stored, most_kw, hours).0 >= requested_kwh - 1e-9;
        if requested_kwh > capacity_kwh || !fits(0.0) {
            return None;
        }
        let (mut low, mut high) = (0.0, capacity_kwh - requested_kwh);
        if fits(high) {
            return Some((capacity_kwh, high));
        }
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if fits(middle) { low = middle } else { high = middle }
        }
        Some((capacity_kwh, low))
    })
}
