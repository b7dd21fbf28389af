"""The service as an ASGI application; `uvicorn app.main:app` answers as `lockgate serve` does. Add your own routes here."""

from lockgate.service import create_app

app = create_app()
