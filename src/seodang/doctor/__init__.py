"""What `seodang doctor` looks at: environment, machine, project and services, each with the command that fixes it."""
