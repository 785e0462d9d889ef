//! dev-idp
