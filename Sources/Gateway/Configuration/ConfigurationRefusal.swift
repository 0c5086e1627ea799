internal import Store

// Why was the configuration not changed?

/// A change that was not made; the file is as it was.
enum ConfigurationRefusal: Error, Equatable {
    /// The file is another one than the one that was meant.
    case precondition
    /// The file can't be read as it is, so that no part of it can be changed.
    case broken(ConfigurationError)
    /// What was asked for is no configuration: everything that is wrong with it.
    case invalid([ConfigurationError])
    /// A marker stands where no secret is kept: the path to it.
    case nothingKept(String)
    /// The section is kept in the database.
    case owned(String)
    case tooLarge
    /// There is no file.
    case missing
    case unwritable(PrivateFileError)
}
