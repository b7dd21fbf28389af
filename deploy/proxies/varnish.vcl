# Lockgate behind Varnish: /etc/varnish/default.vcl, with varnishd -a 127.0.0.1:8080. Two services listen on 8001 and 8002.
vcl 4.1;

import directors;

# /ready says 503 for the whole of --drain-seconds (5), so a check a second takes a service out before it closes. One of the
# last two has to be right: a single check that is late, on a busy machine, takes out nobody.
probe ready {
    .url = "/ready";
    .interval = 1s;
    .timeout = 1s;
    .window = 2;
    .threshold = 1;
    .initial = 1;
}

backend first {
    .host = "127.0.0.1";
    .port = "8001";
    .connect_timeout = 1s;
    .probe = ready;
}

backend second {
    .host = "127.0.0.1";
    .port = "8002";
    .connect_timeout = 1s;
    .probe = ready;
}

sub vcl_init {
    new services = directors.round_robin();
    services.add_backend(first);
    services.add_backend(second);
}

sub vcl_recv {
    set req.backend_hint = services.backend();
    # The same under a path: the service sees /predict, and the browser /credit/predict.
    if (req.url ~ "^/credit/") {
        set req.http.X-Forwarded-Prefix = "/credit";
        set req.url = regsub(req.url, "^/credit", "");
    }
    # Nothing is kept: a decision is made anew, and /ready and /metrics are of this moment.
    return (pass);
}
