// Whom do bridges meet when a test runs them? Servers on 127.0.0.1 that speak as the platforms do, and fail as those can.
