//! What the console says, in every language: one line for each text, one file for each page.

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod checks;
pub(crate) mod claims;
pub(crate) mod configuration;
pub(crate) mod diagnose;
pub(crate) mod frame;
mod german;
pub(crate) mod home;
pub(crate) mod overview;
pub(crate) mod reasons;
pub(crate) mod services;
pub(crate) mod session;
pub(crate) mod sign_in;

pub(crate) use german::SIGN_IN as GERMAN_SIGN_IN;

/// Makes a function of each text. A text with parameters takes them as arguments and has them in braces.
macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident $(($($parameter:ident),+))? : $english:literal, $german:literal;)*) => {
        $(texts! { @one ($(#[$meta])*) $name $(($($parameter),+))? : $english, $german })*
    };
    (@one ($(#[$meta:meta])*) $name:ident : $english:literal, $german:literal) => {
        $(#[$meta])*
        pub(crate) fn $name() -> &'static str {
            match $crate::preferences::Language::here() {
                $crate::preferences::Language::English => $english,
                $crate::preferences::Language::German => $german,
            }
        }
    };
    (@one ($(#[$meta:meta])*) $name:ident ($($parameter:ident),+) : $english:literal, $german:literal) => {
        $(#[$meta])*
        pub(crate) fn $name($($parameter: impl ::std::fmt::Display),+) -> String {
            match $crate::preferences::Language::here() {
                $crate::preferences::Language::English => format!($english),
                $crate::preferences::Language::German => format!($german),
            }
        }
    };
}
pub(crate) use texts;
