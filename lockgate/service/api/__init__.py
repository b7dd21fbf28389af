"""What a request may hold and what is answered: endpoints, types, validation, errors, the OpenAPI document and /docs."""
