//! `pBD,AD,AB,BE,AE?EB=`

use super::{Domain, Problem, Words};

/// The length of the shortest way between two places.
#[derive(Debug)]
pub(super) struct Path;

const PLACES: usize = 6;
type Pair = (usize, usize);

/// Roads and between which places the way is looked for.
struct Map {
    roads: Vec<Pair>,
    from: usize,
    to: usize,
}

impl Domain for Path {
    fn name(&self) -> &'static str {
        "path"
    }

    fn about(&self) -> &'static str {
        "roads on the shortest way, - if there is no way"
    }

    fn share(&self) -> f64 {
        0.05
    }

    fn closed(&self, level: u32) -> bool {
        level == 1
    }

    /// Four to six places with as many roads, or one fewer. At level 4 no road connects the two places, at level 5 not even
    /// two roads do.
    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let places = 3 + level.min(3) as usize;
        let least = level.saturating_sub(2).max(1);
        let pairs: Vec<Pair> = (0..places).flat_map(|a| (a + 1..places).map(move |b| (a, b))).collect();
        loop {
            let mut roads = pairs.clone();
            words.shuffle(&mut roads);
            roads.truncate(places - usize::from(words.flip()));
            let length = lengths(&roads);
            let asked: Vec<Pair> =
                pairs.iter().copied().filter(|&(a, b)| length[a][b].is_none_or(|length| length >= least)).collect();
            if !asked.is_empty() {
                let (a, b) = words.pick(&asked);
                let (from, to) = if words.flip() { (a, b) } else { (b, a) };
                let answer = length[a][b].map_or("-".to_owned(), |length| length.to_string());
                return Problem::new(format!("p{}?{}=", listed(&roads), written((from, to))), answer);
            }
        }
    }

    /// By going one road further at a time, everywhere at once.
    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let Some(map) = map(prompt) else { return false };
        let rings = rings(&map);
        match rings.iter().position(|ring| ring & (1 << map.to) != 0) {
            Some(length) => response == length.to_string(),
            None => response == "-",
        }
    }

    fn question(&self, prompt: &str) -> Option<String> {
        let map = map(prompt)?;
        let roads: Vec<String> = map.roads.iter().map(|&(a, b)| format!("{}-{}", letter(a), letter(b))).collect();
        Some(format!(
            "Roads connect these places: {}. How many roads are on the shortest way from {} to {}? \
             Answer with the number only, or with - if there is no way.",
            roads.join(", "),
            letter(map.from),
            letter(map.to)
        ))
    }

    /// Roads in any order, and the way back is as long.
    fn kin(&self, prompt: &str) -> Option<String> {
        let Map { mut roads, from, to } = map(prompt)?;
        roads.iter_mut().for_each(|(a, b)| (*a, *b) = (*a.min(b), *a.max(b)));
        roads.sort_unstable();
        Some(format!("{}?{}", listed(&roads), written((from.min(to), from.max(to)))))
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        let map = map(prompt)?;
        let nearer = rings(&map).into_iter().take_while(|ring| ring & (1 << map.to) == 0);
        Some(nearer.map(u32::count_ones).sum())
    }

    fn effort_counts(&self) -> &'static str {
        "places nearer than the goal"
    }
}

/// Roads on the shortest way between any two places (Floyd and Warshall).
fn lengths(roads: &[Pair]) -> [[Option<u32>; PLACES]; PLACES] {
    let mut length = [[None; PLACES]; PLACES];
    for &(a, b) in roads {
        (length[a][b], length[b][a]) = (Some(1), Some(1));
    }
    for over in 0..PLACES {
        for a in 0..PLACES {
            for b in (0..PLACES).filter(|&b| b != a) {
                let detour = length[a][over].zip(length[over][b]).map(|(there, on)| there + on);
                length[a][b] = [length[a][b], detour].into_iter().flatten().min();
            }
        }
    }
    length
}

/// Places as bits: first where the way starts, then what is one road away, two roads, … as far as roads lead.
fn rings(map: &Map) -> Vec<u32> {
    let mut rings = Vec::new();
    let (mut seen, mut ring) = (0, 1_u32 << map.from);
    while ring != 0 {
        seen |= ring;
        rings.push(ring);
        let ends = |&(a, b): &Pair| {
            let one_way = |from: usize, to: usize| if ring & (1 << from) != 0 { 1 << to } else { 0 };
            one_way(a, b) | one_way(b, a)
        };
        ring = map.roads.iter().map(ends).fold(0, |all, ends| all | ends) & !seen;
    }
    rings
}

fn letter(place: usize) -> char {
    char::from(b'A' + place as u8)
}

fn written((a, b): Pair) -> String {
    [letter(a), letter(b)].into_iter().collect()
}

fn listed(roads: &[Pair]) -> String {
    roads.iter().map(|&road| written(road)).collect::<Vec<_>>().join(",")
}

fn map(prompt: &str) -> Option<Map> {
    let (roads, asked) = prompt.strip_prefix('p')?.strip_suffix('=')?.split_once('?')?;
    let place = |byte: u8| (b'A'..b'A' + PLACES as u8).contains(&byte).then(|| usize::from(byte - b'A'));
    let pair = |text: &str| match *text.as_bytes() {
        [a, b] if a != b => place(a).zip(place(b)),
        _ => None,
    };
    let (from, to) = pair(asked)?;
    let roads = roads.split(',').take(PLACES * PLACES).map(pair).collect::<Option<_>>()?;
    Some(Map { roads, from, to })
}
