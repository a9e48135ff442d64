//! SSH key pairs, by name unique in an account. The cloud keeps the public halves only.

use crate::command::command;
use crate::id::Id;
use crate::lenient::{Secret, item};
use crate::resource::Success;

item! {
    /// A key pair as the cloud keeps it.
    SshKeyPair {
        /// Its id; absent on older servers.
        "id" id: Option<Id>,
        /// Its name.
        "name" name: String,
        /// The MD5 digest of the public key's blob, in hexadecimal with colons.
        "fingerprint" fingerprint: String,
        /// The private half in PEM: only in the reply that made it.
        "privatekey" private_key: Option<Secret>,
    }
}

command! {
    /// Lets the cloud make an RSA key pair; the private half is in this reply only.
    CreateSshKeyPair("createSSHKeyPair") changes SshKeyPair;
    required {
        /// The name.
        name: String,
    }
}

command! {
    /// Hands a public key to the cloud. The same key cannot be there under two names.
    RegisterSshKeyPair("registerSSHKeyPair") changes SshKeyPair;
    required {
        /// The name.
        name: String,
        /// The public key, as OpenSSH writes it in one line.
        public_key: String,
    }
}

command! {
    /// Lists key pairs.
    ListSshKeyPairs("listSSHKeyPairs") lists SshKeyPair;
    optional {
        /// The pair with this id.
        id: Id,
        /// The pair of this name, in whole.
        name: String,
        /// The pair with this fingerprint.
        fingerprint: String,
    }
}

command! {
    /// Removes a key pair. Machines that have it keep it.
    DeleteSshKeyPair("deleteSSHKeyPair") changes Success;
    required {
        /// The name.
        name: String,
    }
}
