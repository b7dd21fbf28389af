"""What every query of the dashboard narrows its series by: its variables, as matchers of PromQL."""

JOB = 'job="$job"'
MODEL = 'job="$job",digest=~"$digest"'
FEATURE = f'{MODEL},feature="$feature"'
WINDOW = 'window="$window"'
RATE = "[$__rate_interval]"
