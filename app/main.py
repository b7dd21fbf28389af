"""The service as an ASGI application; `uvicorn app.main:app` answers as `lockgate serve` does. Add your own routes here."""

from lockgate.service.application import create_application

app = create_application()
