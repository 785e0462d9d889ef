//! What Criterion measures, as Markdown tables that go into docs/performance.md as they are.

use std::{collections::HashMap, fmt, time::Duration};

use criterion::{BenchmarkGroup, BenchmarkId, measurement::WallTime};

/// Of each benchmark; what Criterion asks for before these is the warm-up.
pub(crate) const SAMPLES: usize = 20;

/// Medians, in microseconds for one call.
pub(crate) struct Table {
    title: &'static str,
    rows: Vec<String>,
    columns: Vec<String>,
    samples: HashMap<(usize, usize), Vec<f64>>,
}

impl Table {
    pub(crate) fn new(title: &'static str) -> Self {
        Self {
            title,
            rows: Vec::new(),
            columns: Vec::new(),
            samples: HashMap::new(),
        }
    }

    /// Measures one cell; a cell that is measured again gets more samples. `calls` makes so many calls, and says how long
    /// they took.
    pub(crate) fn measure(
        &mut self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        row: &str,
        column: &str,
        mut calls: impl FnMut(u64) -> Duration,
    ) {
        let mut each = Vec::new();
        group.bench_function(BenchmarkId::new(row, column), |bencher| {
            bencher.iter_custom(|rounds| {
                let time = calls(rounds);
                each.push(time.as_secs_f64() * 1e6 / rounds as f64);
                time
            });
        });
        let cell = (position(&mut self.rows, row), position(&mut self.columns, column));
        let measured = each.split_off(each.len().saturating_sub(SAMPLES));
        self.samples.entry(cell).or_default().extend(measured);
    }

    /// Nothing for a cell that was not measured, or left out by a filter on the command line.
    pub(crate) fn median(&self, row: &str, column: &str) -> Option<f64> {
        let row = self.rows.iter().position(|name| name == row)?;
        let column = self.columns.iter().position(|name| name == column)?;
        let mut samples = self.samples.get(&(row, column))?.clone();
        samples.sort_unstable_by(f64::total_cmp);
        samples.get(samples.len() / 2).copied()
    }
}

fn position(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.samples.values().all(Vec::is_empty) {
            return Ok(());
        }
        writeln!(f, "\n{}; medians, in microseconds for one call:\n", self.title)?;
        writeln!(f, "| | {} |", self.columns.join(" | "))?;
        writeln!(f, "|---|{}", "---|".repeat(self.columns.len()))?;
        for row in &self.rows {
            let cells: Vec<_> = self.columns.iter().map(|column| self.median(row, column)).collect();
            if cells.iter().any(Option::is_some) {
                let cells: Vec<_> = cells
                    .into_iter()
                    .map(|cell| cell.map_or("-".into(), three_digits))
                    .collect();
                writeln!(f, "| {row} | {} |", cells.join(" | "))?;
            }
        }
        Ok(())
    }
}

fn three_digits(value: f64) -> String {
    let decimals = match value {
        10.0..100.0 => 1,
        100.0.. => 0,
        _ => 2,
    };
    format!("{value:.decimals$}")
}
