"""What collections are reached through: `ports.exposure`, one package per kind of gateway."""
