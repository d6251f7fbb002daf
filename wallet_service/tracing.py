"""OpenTelemetry spans of calls, sent away in the background."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def tracer_provider(endpoint: str) -> TracerProvider:
    """Spans to `endpoint` by OTLP over HTTP, in batches; a collector that is down loses spans and slows nothing."""
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "wallet"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider
