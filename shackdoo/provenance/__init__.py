"""What a run was made of: code, config, data, environment, machine, seed; and what came out."""
