-- wrk: a new connection for each request.
wrk.headers["Connection"] = "close"
