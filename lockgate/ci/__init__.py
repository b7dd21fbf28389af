"""What only a workflow runs: values in, decisions out, and calls of GitHub's API where a name says so."""
