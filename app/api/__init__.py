"""HTTP only: one router per topic, problem details, request bodies, middleware and pages."""
