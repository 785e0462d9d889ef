//! Without the feature `split`: functions like any other.

#[doc(hidden)]
#[macro_export]
macro_rules! __deferred {
    (($($meta:tt)*) ($visibility:vis) $name:ident ($($argument:ident: $type:ty),*) ($ok:ty) ($error:ty) $body:block) => {
        $($meta)*
        $visibility async fn $name($($argument: $type),*) -> Result<$ok, $error> $body
    };
}
