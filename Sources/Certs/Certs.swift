// Certs
