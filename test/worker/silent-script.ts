setInterval(() => undefined, 1_000); // lives, and serves nothing
