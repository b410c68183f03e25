"""Published checkpoints to ours and back: one table of rules per system."""

from unison3d.convert.containers import unwrap, wrap
from unison3d.convert.kernel_layouts import LAYOUTS
from unison3d.convert.report import TranslationReport
from unison3d.convert.system import System
from unison3d.convert.systems import SYSTEMS, get_system
from unison3d.convert.translate import UNUSED_PREFIX, Translation, translate
from unison3d.convert.translate_back import translate_back

__all__ = [
    'LAYOUTS',
    'SYSTEMS',
    'System',
    'Translation',
    'TranslationReport',
    'UNUSED_PREFIX',
    'get_system',
    'translate',
    'translate_back',
    'unwrap',
    'wrap',
]
