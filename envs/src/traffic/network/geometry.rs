//! Polylines: lengths, offsets to the side, curves through a crossing, and where two of them meet.

use std::ops::{Add, Mul, Sub};

/// A place on the map, or a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// East, in metres.
    pub x: f64,
    /// North, in metres.
    pub y: f64,
}

impl Add for Point {
    type Output = Point;

    fn add(self, other: Point) -> Point {
        Point { x: self.x + other.x, y: self.y + other.y }
    }
}

impl Sub for Point {
    type Output = Point;

    fn sub(self, other: Point) -> Point {
        Point { x: self.x - other.x, y: self.y - other.y }
    }
}

impl Mul<f64> for Point {
    type Output = Point;

    fn mul(self, factor: f64) -> Point {
        Point { x: self.x * factor, y: self.y * factor }
    }
}

/// Two numbers this close are the same, as in CityFlow.
const TOLERANCE: f64 = 1e-8;

impl Point {
    /// A point.
    pub fn new(x: f64, y: f64) -> Self {
        Point { x, y }
    }

    pub(super) fn length(self) -> f64 {
        (self.x * self.x + self.y * self.y).sqrt()
    }

    fn unit(self) -> Point {
        let length = self.length();
        Point { x: self.x / length, y: self.y / length }
    }

    /// A quarter turn to the right.
    fn right(self) -> Point {
        Point { x: self.y, y: -self.x }
    }

    fn cross(self, other: Point) -> f64 {
        self.x * other.y - self.y * other.x
    }

    fn dot(self, other: Point) -> f64 {
        self.x * other.x + self.y * other.y
    }
}

/// Length of a polyline in metres.
pub(super) fn length_m(points: &[Point]) -> f64 {
    points.windows(2).map(|ends| (ends[1] - ends[0]).length()).sum()
}

/// The line without its first and last metres. Only the end pieces are shortened.
pub(super) fn cut(points: &[Point], first_m: f64, last_m: f64) -> Vec<Point> {
    let mut cut = points.to_vec();
    let last = points.len() - 1;
    cut[0] = points[0] + (points[1] - points[0]).unit() * first_m;
    // From the shortened line, so that a line of one piece is cut the way CityFlow does.
    let (before, end) = (cut[last - 1], cut[last]);
    cut[last] = end - (end - before).unit() * last_m;
    cut
}

/// The line moved to the right; at a bend along the mean of both directions.
pub(super) fn beside(points: &[Point], right_m: f64) -> Vec<Point> {
    let direction = |piece: usize| (points[piece + 1] - points[piece]).unit();
    let last = points.len() - 1;
    (0..points.len())
        .map(|at| {
            let along = match at {
                0 => direction(0),
                at if at == last => direction(last - 1),
                at => (direction(at) + direction(at - 1)).unit(),
            };
            points[at] + along.right() * right_m
        })
        .collect()
}

fn point_at(points: &[Point], along_m: f64) -> Point {
    let mut rest = along_m.max(0.0).min(length_m(points));
    for ends in points.windows(2) {
        let piece = (ends[0] - ends[1]).length();
        if rest <= piece && piece > 0.0 {
            return ends[0] + (ends[1] - ends[0]) * (rest / piece);
        }
        rest -= piece;
    }
    points[points.len() - 1]
}

fn direction_at(points: &[Point], along_m: f64) -> Point {
    let mut rest = along_m;
    for ends in points.windows(2) {
        let piece = (ends[1] - ends[0]).length();
        if rest < piece {
            return (ends[1] - ends[0]).unit();
        }
        rest -= piece;
    }
    (points[points.len() - 1] - points[points.len() - 2]).unit()
}

/// Points of a curve through a crossing, where a file gives none.
const CURVE_PIECES: usize = 10;

/// Shortest handle of a curve at a crossing wide enough for it, in metres.
const SHORTEST_HANDLE_M: f64 = 5.0;

/// The end of a lane that a curve joins: the whole lane, and how much of it the crossing takes.
pub(super) struct Joint<'p> {
    pub(super) lane: &'p [Point],
    pub(super) width_m: f64,
}

/// A cubic Bezier curve from the end of one lane to the begin of another, as CityFlow samples it.
pub(super) fn curve(from: Joint<'_>, to: Joint<'_>) -> Vec<Point> {
    let leaves_at = length_m(from.lane) - from.width_m;
    let (start, end) = (point_at(from.lane, leaves_at), point_at(to.lane, to.width_m));
    let reach = (end - start).length();
    let leaving = direction_at(from.lane, leaves_at);
    let arriving = direction_at(to.lane, to.width_m);
    let mut first = leaving * (reach * 0.5);
    let mut second = arriving * (-reach * 0.5);
    if first.dot(first) < SHORTEST_HANDLE_M * SHORTEST_HANDLE_M && from.width_m >= SHORTEST_HANDLE_M {
        first = leaving * SHORTEST_HANDLE_M;
    }
    if second.dot(second) < SHORTEST_HANDLE_M * SHORTEST_HANDLE_M && to.width_m >= SHORTEST_HANDLE_M {
        // Forwards, not backwards: so does CityFlow.
        second = arriving * SHORTEST_HANDLE_M;
    }
    let handles = [start, start + first, end + second, end];
    (0..=CURVE_PIECES).map(|piece| bezier(handles, piece as f64 / CURVE_PIECES as f64)).collect()
}

fn bezier(handles: [Point; 4], at: f64) -> Point {
    let between = |a: Point, b: Point| Point::new((b.x - a.x) * at + a.x, (b.y - a.y) * at + a.y);
    let [a, b, c] = [0, 1, 2].map(|piece| between(handles[piece], handles[piece + 1]));
    between(between(a, b), between(b, c))
}

/// Where two lines first meet, as metres along each. Pieces are tried in the order of the first line, then the second.
pub(super) fn meeting(first: &[Point], second: &[Point]) -> Option<(f64, f64)> {
    first_meeting(first, second, false)
}

/// The same with every piece counted.
pub(super) fn crossing_point(first: &[Point], second: &[Point]) -> Option<(f64, f64)> {
    first_meeting(first, second, true)
}

fn first_meeting(first: &[Point], second: &[Point], counts_parallel: bool) -> Option<(f64, f64)> {
    let mut along_first = 0.0;
    for one in first.windows(2) {
        let mut along_second = 0.0;
        for other in second.windows(2) {
            let (u, v) = (one[1] - one[0], other[1] - other[0]);
            // A parallel piece is passed over without its length being counted: CityFlow does so, and its conflict
            // points stand where this puts them.
            if u.cross(v).abs() < TOLERANCE {
                along_second += if counts_parallel { v.length() } else { 0.0 };
                continue;
            }
            let point = one[0] + u * ((other[0] - one[0]).cross(v) / u.cross(v));
            if on(one, point) && on(other, point) {
                return Some((along_first + (point - one[0]).length(), along_second + (point - other[0]).length()));
            }
            along_second += v.length();
        }
        along_first += (one[1] - one[0]).length();
    }
    None
}

fn on(ends: &[Point], point: Point) -> bool {
    let off_line = (ends[1] - ends[0]).cross(point - ends[0]);
    let between = (point - ends[0]).dot(point - ends[1]);
    off_line.abs() < TOLERANCE && between < TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f64, f64)]) -> Vec<Point> {
        points.iter().map(|&(x, y)| Point::new(x, y)).collect()
    }

    #[test]
    fn lanes_lie_to_the_right_of_the_middle() {
        let east = line(&[(0.0, 0.0), (100.0, 0.0)]);
        assert_eq!(beside(&east, 2.0), line(&[(0.0, -2.0), (100.0, -2.0)]));
        let corner = line(&[(0.0, 0.0), (100.0, 0.0), (100.0, 50.0)]);
        assert_eq!(length_m(&corner), 150.0);
        let moved = beside(&corner, 1.0);
        assert!((moved[1] - Point::new(100.0 + 0.5f64.sqrt(), -(0.5f64.sqrt()))).length() < 1e-12);
        assert_eq!(cut(&corner, 10.0, 5.0), line(&[(10.0, 0.0), (100.0, 0.0), (100.0, 45.0)]));
    }

    #[test]
    fn lines_meet_once_or_not_at_all() {
        let east = line(&[(0.0, 0.0), (10.0, 0.0)]);
        let north = line(&[(4.0, -3.0), (4.0, 5.0)]);
        assert_eq!(meeting(&east, &north), Some((4.0, 3.0)));
        assert_eq!(meeting(&east, &line(&[(4.0, 1.0), (4.0, 5.0)])), None);
        assert_eq!(meeting(&east, &line(&[(0.0, 1.0), (10.0, 1.0)])), None);
        // A parallel first piece of 5 m is not counted.
        assert_eq!(meeting(&east, &line(&[(0.0, -3.0), (5.0, -3.0), (5.0, 3.0)])), Some((5.0, 3.0)));
    }

    #[test]
    fn a_straight_curve_is_as_long_as_the_crossing() {
        let (west, east) = (line(&[(-100.0, 0.0), (0.0, 0.0)]), line(&[(0.0, 0.0), (100.0, 0.0)]));
        let joined = curve(Joint { lane: &west, width_m: 15.0 }, Joint { lane: &east, width_m: 15.0 });
        assert_eq!(joined.len(), 11);
        assert!((length_m(&joined) - 30.0).abs() < 1e-9);
    }
}
