"""The package: `lib/` as counterpart, with `conf/` (studies, code sets, sites, mappings) inside it."""

import ast
import sys
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def version() -> str:
    """`__version__` of the package, read without importing it."""
    tree = ast.parse((HERE / "lib" / "counterpart" / "__init__.py").read_text())
    values = [node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "__version__"]
    return ast.literal_eval(values[0])


def readme() -> str:
    """The long description; empty where only the sources of the package are."""
    page = HERE / "README.md"
    return page.read_text() if page.is_file() else ""


# Lower bounds: what Python 3.10 can still get. Upper bounds: what was seen to work together.
CORE = [
    "pandas>=2.2,<3",  # Spark 4.2 warns on pandas 3
    "numpy>=2.0,<3",
    "pyarrow>=18,<26",
    "scipy>=1.13,<2",
    "scikit-learn>=1.6,<1.10",
    "mlflow>=3.17,<3.18",  # 3.18.0 cannot be installed: its skinny package was never published
    "pydantic>=2.10,<3",
    "PyYAML>=6,<7",
    "Jinja2>=3.1,<4",
    "matplotlib>=3.9,<4",
    "numba>=0.61,<1",
    "rich>=13,<16",
    "threadpoolctl>=3.5,<4",
]

# A platform brings its own Spark and Delta, which an installation must never replace: only this extra names them.
# delta-spark 4.4.1 is on PyPI, its jar is not on Maven Central.
LOCAL = ["pyspark==4.2.0", "delta-spark==4.4.0"]

# The index of the approximate search; nothing else needs it.
ANN = ["faiss-cpu>=1.9,<2"]

DEV = [
    *ANN,
    "pytest>=9,<10",
    "pytest-xdist>=3.6,<4",
    "hypothesis>=6.100,<7",
    "duckdb>=1.1,<3",
    "databricks-sdk>=0.20,<1",  # the platform's model of a job, which MLflow brings along too
    "statsmodels>=0.14.4,<1",
    "ruff>=0.17,<0.18",  # a new minor version may format differently
    "mypy>=2.4,<2.5",
    "types-PyYAML>=6,<7",
    "setuptools>=77",  # builds the wheel that the packaging test installs, without the network
    "wheel>=0.45",
]

# An editable installation reads the checkout's conf (counterpart.shipped); with one source folder it is a plain path
# entry, which editors and type checkers follow.
CONF = {} if "editable_wheel" in sys.argv else {"counterpart.conf": "conf"}

setup(
    name="counterpart",
    version=version(),
    description="Matched-cohort studies on insurance claims, as Spark jobs over Delta tables, kept in MLflow",
    long_description=readme(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.13",
    package_dir={"": "lib", **CONF},
    packages=[*find_packages("lib"), *CONF],
    package_data={
        "counterpart": ["py.typed", *(f"**/*.{kind}" for kind in ("html", "j2", "css", "js", "svg", "json"))],
        "counterpart.conf": ["studies/*.yaml", "codesets/*.csv", "sites/*.yaml", "mappings/*.yaml"],
    },
    install_requires=CORE,
    extras_require={"local": LOCAL, "ann": ANN, "dev": DEV},
    entry_points={"console_scripts": ["counterpart = counterpart.cli:main"]},
    classifiers=[
        "Intended Audience :: Healthcare Industry",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
    ],
)
