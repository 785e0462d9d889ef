//! Functions whose code is loaded when they are first called.

#[cfg(feature = "split")]
mod split;
#[cfg(not(feature = "split"))]
mod whole;

/// A function whose code the browser loads when it is first called, in builds with the feature `split` (`cargo leptos build --split`);
/// otherwise an ordinary function. If the code cannot be loaded the caller gets an error: the error type is
/// [`CallError`](crate::leptos::CallError), [`SessionError`](crate::session::SessionError), or another one that can be made of
/// `leptos::wasm_split::SplitLoaderError`. A function that is never called is loaded with the first page. Functions of one name share one
/// part.
///
/// ```
/// # use pixygate::leptos::CallError;
/// pixygate::deferred! {
///     /// The report.
///     pub async fn report(number: u32) -> Result<String, CallError> {
///         Ok(format!("report {number}"))
///     }
/// }
/// ```
#[macro_export]
macro_rules! deferred {
    ($($(#[$meta:meta])* $visibility:vis async fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> Result<$ok:ty, $error:ty> $body:block)*) => {
        $(
            $crate::__deferred! { ($(#[$meta])*) ($visibility) $name ($($argument: $type),*) ($ok) ($error) $body }
        )*
    };
}
