//! The doctor: each finding is provoked by breaking one thing, and nothing else is reported.

mod at_start;
mod embedded;
mod offline;
mod output;
mod paper;
mod process;
mod sign_in;
mod store;
mod switches;
mod token;
mod world;
