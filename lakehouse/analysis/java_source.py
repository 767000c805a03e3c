"""Small Java classes beside this module, compiled in Spark's JVM by the compiler that Spark itself uses for its code.

A call through the Java gateway takes some 40 µs, and working on a plan from Python takes thousands of them. Nothing has
to be built or shipped for it: the source is a file of the package, and Janino is among Spark's jars.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_lock = threading.Lock()
_compiled: dict[tuple[int, str], tuple[Any, Any]] = {}


def compiled(jvm: Any, *sources: tuple[str, str]) -> Any:
    """An object of the last class, which has a constructor without arguments; the same one for every call in one JVM.
    `sources` as `compiled_class` takes them."""
    key = (id(jvm), sources[-1][0])
    with _lock:
        if key not in _compiled:
            constructor = compiled_class(jvm, *sources)
            made = jvm.java.util.ArrayList()  # an empty array, without a gateway at hand
            nothing = made.toArray()
            # The JVM is kept, so that no other gets its identity.
            _compiled[key] = (jvm, constructor.newInstance(nothing))
        return _compiled[key][1]


def compiled_class(jvm: Any, *sources: tuple[str, str]) -> Any:
    """The only constructor of the last class, compiled anew: files of this folder and the class in each, which may use
    those before it."""
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    for source, _ in sources:
        compiler = jvm.org.codehaus.janino.SimpleCompiler()
        compiler.setParentClassLoader(loader)
        compiler.cook((_HERE / source).read_text(encoding="utf-8"))
        loader = compiler.getClassLoader()
    return loader.loadClass(sources[-1][1]).getConstructors()[0]


def java_array(gateway: Any, *values: Any) -> Any:
    """An `Object[]` of these values."""
    array = gateway.new_array(gateway.jvm.java.lang.Object, len(values))
    for place, value in enumerate(values):
        array[place] = value
    return array
