//! Every environment variable mesostack reads, in one place.

/// A variable and what it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does, as the help says it.
    pub(crate) purpose: &'static str,
}

/// The file that describes image and cluster; `--file` wins.
pub(crate) const FILE: Variable = Variable {
    name: "MESOSTACK_FILE",
    purpose: "The file that describes image and cluster, unless --file is given",
};

/// What is logged to standard error.
pub(crate) const LOG: Variable = Variable {
    name: "MESOSTACK_LOG",
    purpose: "What to log to standard error, such as info or mesostack=debug,cloudstack=trace; --verbose sets it too",
};

/// The API's address.
pub(crate) const API_URL: Variable =
    Variable { name: "CLOUDSTACK_API_URL", purpose: "The API's address, unless the file gives it" };

/// The API key.
pub(crate) const API_KEY: Variable = Variable {
    name: "CLOUDSTACK_API_KEY",
    purpose: "The user's API key, where the file names no other source of credentials",
};

/// All of them, in the order the help shows. Some are read by libraries or by other crates of ours.
pub(crate) const ALL: &[Variable] = &[
    FILE,
    LOG,
    API_URL,
    API_KEY,
    Variable { name: "CLOUDSTACK_SECRET_KEY", purpose: "The user's secret key, likewise" },
    Variable {
        name: mesostack::image::recipe::STANDIN_VARIABLE,
        purpose: "The stand-ins' program, where it does not lie beside this one",
    },
    Variable { name: "NO_COLOR", purpose: "Print errors without colours" },
    Variable {
        name: "XDG_STATE_HOME",
        purpose: "Where the journals of the last runs are kept [default: ~/.local/state]",
    },
    Variable {
        name: "XDG_DATA_HOME",
        purpose: "Where zones of users other than root keep their records [default: ~/.local/share]",
    },
];
