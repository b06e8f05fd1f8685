"""What a release is checked with: its dependencies, their licences, known vulnerabilities, a bill of materials."""
