"""The service as an ASGI application: add your own routes and middleware here.

`lockgate serve --app app.main:app` runs it behind the service's own server, and any other server as `uvicorn app.main:app`.
"""

from lockgate.service import create_app

app = create_app()
