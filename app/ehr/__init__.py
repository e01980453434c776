"""CDS Hooks services, FHIR R4 operations and code maps. Not yet furnished."""
