//! A typed, async client for the Apache CloudStack API.
