//! Text tables: columns as wide as their widest cell.

/// Rows of cells, the first of which is the heading. Numbers stand to the right.
#[derive(Default)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new<S: Into<String>>(heading: impl IntoIterator<Item = S>) -> Self {
        let mut table = Table::default();
        table.row(heading);
        table
    }

    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.0.push(cells.into_iter().map(Into::into).collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let cells = |column: usize| self.0.iter().filter_map(move |row| row.get(column));
        let widths: Vec<usize> =
            (0..columns).map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
        let number = |cell: &String| cell.is_empty() || cell.trim_end_matches(" %").parse::<f64>().is_ok();
        let right: Vec<bool> = (0..columns).map(|column| cells(column).skip(1).all(number)).collect();
        for row in &self.0 {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let space = " ".repeat(widths[column] - cell.chars().count());
                let gap = if column == 0 { "" } else { "  " };
                let (before, after) = if right[column] { (space, String::new()) } else { (String::new(), space) };
                line += &format!("{gap}{before}{cell}{after}");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
