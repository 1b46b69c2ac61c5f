"""The notebooks as pages: their executed copies, which `make docs` makes, in build/notebooks."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

BUILD = Path(os.environ.get("TRULENS_DOCS_BUILD", Path(__file__).parents[2] / "build"))
SCRIPT = re.compile(r"(?s)<script\b[^>]*>(?:(?!</script>).)*?https?://(?:(?!</script>).)*</script>")

SOURCE = re.compile(r'href="((?!https?:)[^"#]+)\.(?:ipynb|md)((?:#[^"]*)?)"')


@event_priority(100)  # before the plugin that knows what a notebook is
def on_files(files: Any, config: Any) -> Any:
    """Put an executed notebook beside each source."""
    for source in sorted(Path(config.docs_dir, "notebooks").glob("*.py")):
        page = f"notebooks/{source.stem}.ipynb"
        if not (BUILD / page).is_file():
            raise PluginError(f"{source.name} has not been executed: call `make docs`")
        files.append(File(page, str(BUILD), config.site_dir, config.use_directory_urls))
    return files


def on_page_content(content: str, page: Any, config: Any, files: Any) -> str:
    """Lead links to pages, and leave out the scripts that would fetch other scripts."""
    del config, files
    if not page.file.src_uri.endswith(".ipynb"):
        return content
    return SOURCE.sub(r'href="\1.html\2"', SCRIPT.sub("", content))
