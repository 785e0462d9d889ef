//! An issuer for tests.
