//! DetectorKinds of personal data that free text can hold, as policies name them; `redact::detect` finds them.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal finds $finds:literal checks $checks:literal misses $misses:literal;)*) => {
        /// One kind of personal data that free text can hold. Serialises as its [`name`](DetectorKind::name).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum DetectorKind {
            $($(#[$doc])* $variant,)*
        }

        impl DetectorKind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in policies.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What is found, for the reference.
            pub const fn finds(self) -> &'static str {
                match self { $(Self::$variant => $finds),* }
            }

            /// What must hold before it is believed, for the reference.
            pub const fn checks(self) -> &'static str {
                match self { $(Self::$variant => $checks),* }
            }

            /// What is known to slip through, for the reference.
            pub const fn misses(self) -> &'static str {
                match self { $(Self::$variant => $misses),* }
            }
        }
    };
}

kinds! {
    /// An address of electronic mail.
    Email "email"
        finds "`jean@x.fr`, `jean [at] x [point] fr`, `jean @ x.fr`"
        checks "a local part, a host with a top-level domain of letters"
        misses "hosts without a dot, quoted local parts with spaces, « jean arobase x point fr » without brackets";
    /// A telephone number.
    Phone "phone"
        finds "`06 12 34 56 78`, `+33 (0)6…`, `0033…`, `33612345678`, overseas (`0692…`, `+262…`), other countries with `+`"
        checks "ten digits in a usual grouping, or a country's code; not a row of marks, an ISBN or an order number"
        misses "foreign numbers without `+` or `00`, short numbers (`3020`), digits written as words, ten digits in one piece behind « commande », « facture », « code »";
    /// Numéro de sécurité sociale.
    Nir "nir"
        finds "15 characters, Corsica's `2A` and `2B` included; 13 behind « sécu », « NIR »"
        checks "sex, month, department, key (97 − n mod 97); behind a label also the rarer months and sexes"
        misses "13 characters without a label, a wrong key, one spelled digit by digit behind other small numbers";
    /// Identifiant national élève or étudiant.
    Ine "ine"
        finds "INE-BEA (10 digits, letter); RNIE (9 digits, 2 letters), apprentices' and university's (NNE) behind « INE », « identifiant national »"
        checks "BEA: letter (n mod 23); NNE: last digit; RNIE has no public key: a label within 64 bytes"
        misses "RNIE and NNE without a label, NNE in groups";
    /// An account number.
    Iban "iban"
        finds "IBAN of every country, French RIB behind « RIB » or « compte »"
        checks "length of the country, mod 97; RIB: its key"
        misses "account numbers of other forms";
    /// A payment card's number.
    Card "card"
        finds "Visa, Mastercard (2221–2720 too), American Express, Diners, Discover, JCB, UnionPay; Maestro behind « carte »"
        checks "IIN range, length, Luhn; not behind « commande », « colis », « facture »"
        misses "12 or 13 digits without a label, one in a hundred order numbers of 16 digits is taken for one";
    /// A company's number, which is a person's for sole traders.
    Siret "siret"
        finds "SIRET, TVA number `FR…`, SIREN behind « SIREN », « RCS », « SIRET »"
        checks "Luhn of the SIREN and of the whole (La Poste: sum mod 5); TVA key"
        misses "SIREN without a label";
    /// Numéro fiscal (NIF, SPI).
    TaxId "tax_id"
        finds "13 digits, first 0–3"
        checks "last three = first ten mod 511"
        misses "numbers before the key";
    /// The code of a school: with a class or a date it can single out a pupil.
    Uai "uai"
        finds "UAI, once RNE: 7 digits, letter"
        checks "department, letter (n mod 23)"
        misses "a wrong letter";
    /// A French postal address.
    PostalAddress "postal_address"
        finds "number, kind of street, name, postal code, city, CEDEX; without a number where a postal code and city follow; without postal code where the street's name is capitalised"
        checks "kind of street; department of the postal code; never a postal code alone"
        misses "numbers in words, streets in lower case without a postal code, a house name alone, addresses abroad";
    /// A date of birth.
    BirthDate "birth_date"
        finds "`12/03/2011`, `12 mars 2011`, `1er mars 2011`, `2011-03-12`, `March 12, 2011` and years behind « né(e) le », « né(e) à … le », « date de naissance », « DDN », « born », « DOB », `birth_date`"
        checks "a real date, 1900 to 2099; the word before it"
        misses "dates without such a word, dates in words, column headings far above";
    /// An IP address.
    Ip "ip"
        finds "IPv4, IPv6"
        checks "parses; not behind « version », « v », « § »; four small numbers only behind « IP », « serveur »… or before a port or mask"
        misses "the loopback `::1`, IPv6 without any digit";
    /// A network card's address.
    Mac "mac"
        finds "`aa:bb:cc:dd:ee:ff`, `aa-bb-…`, `aabb.ccdd.eeff`; in one piece behind « MAC »"
        checks "six bytes; digits only: behind « MAC »"
        misses "mixed separators";
    /// An identifier of a device.
    DeviceId "device_id"
        finds "UUID (IDFA, GAID, IDFV), Android id, IMEI behind « IDFA », « GAID », « advertising », « android_id », « device », « appareil », « terminal », « IMEI »"
        checks "form; IMEI: Luhn; always a label within 64 bytes"
        misses "any of them without a label";
}

/// A set of [`DetectorKind`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DetectorKinds(u32);

impl DetectorKinds {
    /// No kind.
    pub const NONE: Self = Self(0);
    /// Every kind.
    pub const ALL: Self = Self((1 << DetectorKind::ALL.len()) - 1);

    /// This set and one more.
    #[must_use]
    pub const fn with(self, kind: DetectorKind) -> Self {
        Self(self.0 | 1 << kind as u32)
    }

    /// Both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set has this kind.
    pub const fn has(self, kind: DetectorKind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<DetectorKind> for DetectorKinds {
    fn from_iter<I: IntoIterator<Item = DetectorKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}
