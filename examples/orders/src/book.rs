//! Who has ordered what.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::Caller;

/// The orders of one caller that are kept; the oldest ones are forgotten.
const MOST: usize = 100;

/// Changes that a slow reader may be behind.
const BEHIND: usize = 64;

/// An order that was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Unique in the whole service.
    pub id: u64,
    /// What was ordered.
    pub item: String,
    /// How many of it.
    pub quantity: u32,
    /// What became of it.
    pub status: Status,
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It will be delivered.
    Placed,
    /// It will not.
    Cancelled,
}

/// An order that is to be placed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Placed {
    /// What is ordered.
    pub item: String,
    /// How many of it, 1 to 1000.
    pub quantity: u32,
}

/// The issuer and subject of a caller: subjects of two issuers are two users.
type Owner = (String, String);

pub(crate) struct Book {
    orders: Mutex<Orders>,
    changes: broadcast::Sender<(Owner, Order)>,
}

#[derive(Default)]
struct Orders {
    last_id: u64,
    by_owner: HashMap<Owner, Vec<Order>>,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            orders: Mutex::default(),
            changes: broadcast::channel(BEHIND).0,
        }
    }
}

impl Book {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn of(&self, caller: &Caller) -> Vec<Order> {
        self.orders().by_owner.get(&caller.owner()).cloned().unwrap_or_default()
    }

    pub(crate) fn place(&self, caller: &Caller, placed: Placed) -> Option<Order> {
        let Placed { item, quantity } = placed;
        if item.trim().is_empty() || item.len() > 100 || !(1..=1000).contains(&quantity) {
            return None;
        }
        let mut orders = self.orders();
        orders.last_id += 1;
        let order = Order {
            id: orders.last_id,
            item,
            quantity,
            status: Status::Placed,
        };
        let own = orders.by_owner.entry(caller.owner()).or_default();
        own.push(order.clone());
        let excess = own.len().saturating_sub(MOST);
        own.drain(..excess);
        self.tell(caller, &order);
        Some(order)
    }

    pub(crate) fn cancel(&self, caller: &Caller, id: u64) -> Option<Order> {
        let mut orders = self.orders();
        let own = orders.by_owner.get_mut(&caller.owner())?;
        let order = own.iter_mut().find(|order| order.id == id)?;
        order.status = Status::Cancelled;
        let order = order.clone();
        self.tell(caller, &order);
        Some(order)
    }

    fn tell(&self, caller: &Caller, order: &Order) {
        // It fails when nobody listens.
        let _ = self.changes.send((caller.owner(), order.clone()));
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<(Owner, Order)> {
        self.changes.subscribe()
    }
}
