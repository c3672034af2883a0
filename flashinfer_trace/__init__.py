"""The bundled dataset in the FlashInfer Trace format, and the code that writes it."""

from pathlib import Path

ROOT = Path(__file__).parent
