"""A small tree of each project: IDs are those that its providers use, and stores equal their files."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import netCDF4
import numpy as np
import pytest

import esgcet
import readers
import truth
from nodes import DataNode
from publisher import Publisher, Store
from test_real_files import sample_directory
from trees import FILL, File

CORDEX = "output/EUR-11/IPSL-INERIS/MOHC-HadGEM2-ES/rcp85/r1i1p1/IPSL-INERIS-WRF331F"
CORDEX_ID = "output.EUR-11.IPSL-INERIS.MOHC-HadGEM2-ES.rcp85.r1i1p1.WRF331F"
CORDEX_NAME = "tas_EUR-11_MOHC-HadGEM2-ES_rcp85_r1i1p1_IPSL-INERIS-WRF331F"
CMIP5 = "output1/MOHC/HadGEM2-ES/historical/mon/atmos/Amon/r1i1p1"
CREATE_IP = "CREATE-IP/reanalysis/ECMWF/IFS-Cy41r2/ERA5/mon/atmos/tas"
SERIES = ("TREFHT", "FLNT")


@dataclass(frozen=True)
class Project:
    """One directory of a project: `names` of its files, each followed by a year, and the IDs of the stores."""

    directory: str
    names: tuple[str, ...]
    ids: tuple[str, ...]
    options: tuple[str, ...] = ()
    variable: str = "tas"
    year: str = "_{0}01-{0}12.nc"
    # What esg.yaml has for it, and why the publisher cannot say what the ID is.
    settings: dict[str, object] = field(default_factory=dict)
    not_published: str | None = None


NO_SUCH = "esgcet 5.5.3 knows no such project"
BROKEN = "the class for it in esgcet 5.5.3 does not run: it reads `dtn`, which it does not have"

PROJECTS = {
    "CMIP6": Project(
        "CMIP6/CMIP/NCAR/CESM2/historical/r1i1p1f1/Amon/tas/gn/v20190401",
        ("tas_Amon_CESM2_historical_r1i1p1f1_gn",),
        ("CMIP6.CMIP.NCAR.CESM2.historical.r1i1p1f1.Amon.tas.gn.v20190401",),
    ),
    "DCPP": Project(
        "CMIP6/DCPP/MOHC/HadGEM3-GC31-MM/dcppA-hindcast/s2004-r3i1p1f2/Amon/tas/gn/v20200417",
        ("tas_Amon_HadGEM3-GC31-MM_dcppA-hindcast_s2004-r3i1p1f2_gn",),
        ("CMIP6.DCPP.MOHC.HadGEM3-GC31-MM.dcppA-hindcast.s2004-r3i1p1f2.Amon.tas.gn.v20200417",),
    ),
    "CMIP6Plus": Project(
        "CMIP6Plus/LESFMIP/MOHC/HadGEM3-GC31-LL/hist-lu/r1i1p1f3/APmon/tas/gn/v20240101",
        ("tas_APmon_HadGEM3-GC31-LL_hist-lu_r1i1p1f3_gn",),
        ("CMIP6Plus.LESFMIP.MOHC.HadGEM3-GC31-LL.hist-lu.r1i1p1f3.APmon.tas.gn.v20240101",),
        not_published="esgcet 5.5.3 lists it, but has no DRS for it",
    ),
    "CMIP7": Project(
        "MIP-DRS7/CMIP7/CMIP/MOHC/UKESM1-0-LL/1pctCO2/r1i1p1f3/glb/mon/tas/tavg-h2m-hxy-u/g99/v20260123",
        ("tas_tavg-h2m-hxy-u_mon_glb_g99_UKESM1-0-LL_1pctCO2_r1i1p1f3",),
        ("MIP-DRS7.CMIP7.CMIP.MOHC.UKESM1-0-LL.1pctCO2.r1i1p1f3.glb.mon.tas.tavg-h2m-hxy-u.g99.v20260123",),
    ),
    "CMIP5": Project(
        f"cmip5/{CMIP5}/v20110418",
        ("tas_Amon_HadGEM2-ES_historical_r1i1p1",),
        (f"cmip5.{CMIP5.replace('/', '.')}.v20110418.tas",),
        not_published=BROKEN,
    ),
    "C3S-CMIP5": Project(
        f"c3s-cmip5/{CMIP5}/tas/v20110418",
        ("tas_Amon_HadGEM2-ES_historical_r1i1p1",),
        (f"c3s-cmip5.{CMIP5.replace('/', '.')}.tas.v20110418",),
        not_published=NO_SUCH,
    ),
    "CORDEX": Project(
        f"CORDEX/{CORDEX}/v1/mon/tas/v20180521", (f"{CORDEX_NAME}_v1_mon",), (f"cordex.{CORDEX_ID}.v1.mon.tas.v20180521",)
    ),
    "C3S-CORDEX": Project(
        f"c3s-cordex/{CORDEX}/v1/mon/tas/v20180521",
        (f"{CORDEX_NAME}_v1_mon",),
        (f"c3s-cordex.{CORDEX_ID}.v1.mon.tas.v20180521",),
        not_published=NO_SUCH,
    ),
    "CORDEX-Adjust": Project(
        f"CORDEX-Adjust/bias-adjusted-{CORDEX}/v1-IPSL-CDFT22-WFDEI-1979-2005/mon/tasAdjust/v20180521",
        (f"{CORDEX_NAME.replace('tas', 'tasAdjust')}_v1-IPSL-CDFT22-WFDEI-1979-2005_mon",),
        (f"cordex-adjust.bias-adjusted-{CORDEX_ID}.v1-IPSL-CDFT22-WFDEI-1979-2005.mon.tasAdjust.v20180521",),
        variable="tasAdjust",
        not_published=NO_SUCH,
    ),
    "CORDEX-CMIP6": Project(
        "CORDEX-CMIP6/DD/EUR-12/GERICS/MPI-ESM1-2-HR/ssp370/r1i1p1f1/REMO2020-2-2/v1-r1/mon/tas/v20241120",
        ("tas_EUR-12_MPI-ESM1-2-HR_ssp370_r1i1p1f1_GERICS_REMO2020-2-2_v1-r1_mon",),
        ("CORDEX-CMIP6.DD.EUR-12.GERICS.MPI-ESM1-2-HR.ssp370.r1i1p1f1.REMO2020-2-2.v1-r1.mon.tas.v20241120",),
    ),
    "input4MIPs": Project(
        "input4MIPs/CMIP6/CMIP/PNNL-JGCRI/CEDS-2017-05-18/atmos/mon/BC-em-anthro/gn/v20170519",
        ("BC-em-anthro_input4MIPs_emissions_CMIP_CEDS-2017-05-18_gn",),
        ("input4MIPs.CMIP6.CMIP.PNNL-JGCRI.CEDS-2017-05-18.atmos.mon.BC-em-anthro.gn.v20170519",),
        variable="BC_em_anthro",
    ),
    "input4MIPs, several variables": Project(
        "input4MIPs/CMIP6/CMIP/UofMD/UofMD-landState-2-1-h/land/yr/multiple-states/gn/v20170126",
        ("multiple-states_input4MIPs_landState_CMIP_UofMD-landState-2-1-h_gn",),
        ("input4MIPs.CMIP6.CMIP.UofMD.UofMD-landState-2-1-h.land.yr.multiple-states.gn.v20170126",),
        variable="primf",
    ),
    "obs4MIPs": Project(
        "obs4MIPs/NASA-GSFC/GPCP-V2-3/mon/pr/gn/v20200101",
        ("pr_mon_GPCP-V2-3_PCMDI_gn",),
        ("obs4MIPs.NASA-GSFC.GPCP-V2-3.mon.pr.gn.v20200101",),
        variable="pr",
    ),
    "obs4MIPs, older names": Project(
        "obs4MIPs/NASA-JPL/AIRS-1-0/mon/ta/gn/v20180101",
        ("ta_AIRS-1-0_BE_gn",),
        ("obs4MIPs.NASA-JPL.AIRS-1-0.mon.ta.gn.v20180101",),
        variable="ta",
    ),
    "PRIMAVERA": Project(
        "PRIMAVERA/HighResMIP/MOHC/HadGEM3-GC31-LM/highresSST-present/r1i1p1f1/Amon/tas/gn/v20170906",
        ("tas_Amon_HadGEM3-GC31-LM_highresSST-present_r1i1p1f1_gn",),
        ("PRIMAVERA.HighResMIP.MOHC.HadGEM3-GC31-LM.highresSST-present.r1i1p1f1.Amon.tas.gn.v20170906",),
        settings={"cmip6_clone": "primavera", "user_project_config": {"primavera": {"CONST_ATTR": {"project": "PRIMAVERA"}}}},
    ),
    "E3SM": Project(
        "E3SM/1_0/historical-h1/1deg_atm_60-30km_ocean/atmos/native/model-output/mon/ens1/v2",
        ("20180129.DECKv1b_H1.ne30_oEC.edison.cam.h0",),
        ("E3SM.1_0.historical-h1.1deg_atm_60-30km_ocean.atmos.native.model-output.mon.ens1.v2",),
        variable="TREFHT",
        year=".{0}-01.nc",
        not_published="esgcet 5.5.3 looks for a facet `variable_id`, which E3SM does not have",
    ),
    "E3SM, a series for each variable": Project(
        "E3SM/1_0/historical-h1/1deg_atm_60-30km_ocean/atmos/180x360/time-series/mon/ens1/v1",
        SERIES,
        tuple(
            f"E3SM.1_0.historical-h1.1deg_atm_60-30km_ocean.atmos.180x360.time-series.mon.ens1.v1.{name}" for name in sorted(SERIES)
        ),
        year="_{0}01_{0}12.nc",
        not_published="as above",
    ),
    "CREATE-IP": Project(
        CREATE_IP,
        ("tas_Amon_reanalysis_ERA5",),
        ("CREATE-IP.reanalysis.ECMWF.IFS-Cy41r2.ERA5.atmos.mon.latest.tas",),
        not_published=BROKEN,
    ),
    "CREATE-IP-src": Project(
        f"{CREATE_IP}/v20200608",
        ("tas_Amon_reanalysis_ERA5",),
        ("CREATE-IP.reanalysis.ECMWF.ERA5.atmos.mon.v20200608.tas",),
        ("--project", "create-ip-src"),
        not_published=BROKEN,
    ),
    "CREATE-IP-var": Project(
        f"{CREATE_IP}/v20200608",
        ("tas_Amon_reanalysis_ERA5",),
        ("CREATE-IP.reanalysis.ECMWF.IFS-Cy41r2.ERA5.mon.atmos.tas.v20200608",),
        ("--project", "create-ip-var"),
        not_published=BROKEN,
    ),
    "a project of the publisher's configuration": Project(
        "MyMIP/a_b/M/tas/v20200101",
        ("tas_M_any-name",),
        ("MyMIP.a_b.M.tas.v20200101",),
        settings={
            "user_project_config": {
                "mymip": {"DRS": ["project", "grid", "model", "variable"], "CONST_ATTR": {"project": "MyMIP"}, "GA": ["frequency"]}
            }
        },
    ),
}


def also(project: Project, dataset: netCDF4.Dataset) -> None:
    """What native output has: more variables. And what esgcet cannot do without for input4MIPs."""
    dataset.contact = "nobody"
    if project.variable in ("TREFHT", "primf"):
        second = dataset.createVariable("second", "f4", ("time", "lat"), fill_value=FILL)
        second[:] = np.arange(second.size).reshape(second.shape)


@dataclass
class Scanned:
    project: Project
    root: Path
    ledger: Path
    config: Path
    stores: dict[str, Store]

    @property
    def directory(self) -> Path:
        return self.root / self.project.directory


@pytest.fixture(scope="module")
def scanned(vzarr_publish: Publisher, node: DataNode, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scanned]:
    found = {}
    for number, (title, project) in enumerate(PROJECTS.items()):
        root = node.root / f"project-{number}"
        for name in project.names:
            variable = name if name in SERIES else project.variable
            for start in (0, 12):
                path = root / project.directory / f"{name}{project.year.format(1850 + start // 12)}"
                File(start=start, variable=variable, also=lambda dataset, project=project: also(project, dataset)).write(path)
        state = tmp_path_factory.mktemp("state")
        https_url = f"{node.base}/{{}}/{{}}|application/netcdf|HTTPServer"
        data_roots = {str(root): root.name}
        config = esgcet.write_config(state / "esg.yaml", data_roots=data_roots, https_url=https_url, **project.settings)
        ledger = state / "ledger.sqlite"
        done = vzarr_publish.scan(root, "--config", config, *project.options, ledger=ledger)
        assert done.returncode == 0 and "warning" not in done.stderr, f"{title}: {done.stderr}"
        found[title] = Scanned(project, root, ledger, config, vzarr_publish.stores(ledger))
    return found


@pytest.mark.parametrize("title", PROJECTS)
def test_ids_and_stores(scanned: dict[str, Scanned], node: DataNode, title: str) -> None:
    found = scanned[title]
    assert tuple(sorted(found.stores)) == found.project.ids
    for store in found.stores.values():
        files = sorted(found.directory.glob("*.nc"))
        if len(found.project.names) > 1:
            files = [file for file in files if file.name.startswith(store.id.rsplit(".", 1)[1])]
        assert store.built, store.reason
        assert store.files == files and len(files) == 2
        assert store.manifest == found.directory / f"{store.id}.json"
        assert store.url == node.url(store.manifest)
        different = readers.differences(store.url, truth.in_time_order(files))
        assert not different, "\n".join(different)


@pytest.fixture(scope="module")
def published(scanned: dict[str, Scanned], tmp_path_factory: pytest.TempPathFactory) -> dict[str, esgcet.Published]:
    directory = tmp_path_factory.mktemp("mapfiles")
    cases = []
    for title, found in scanned.items():
        place = directory / title
        place.mkdir()
        first = next(iter(found.stores.values()))
        cases.append((found.config, esgcet.write_mapfile(place, first.id, first.files)))
    return dict(zip(scanned, esgcet.publish(cases), strict=True))


@esgcet.needs_esgcet
@pytest.mark.parametrize("title", PROJECTS)
def test_the_publisher_takes_the_id(scanned: dict[str, Scanned], published: dict[str, esgcet.Published], title: str) -> None:
    """Where esgcet knows the project, its records have our ID and our URLs: it refuses one with another number of facets."""
    found, theirs = scanned[title], published[title]
    if found.project.not_published:
        assert theirs.error is not None, f"{title} is published after all: {theirs}"
        pytest.skip(f"{title}: {found.project.not_published}")
    assert theirs.error is None, theirs.error
    (store,) = found.stores.values()
    assert theirs.id == store.id
    references = json.loads(store.manifest.read_text())["refs"].values()
    assert {reference[0] for reference in references if isinstance(reference, list)} == set(theirs.urls.values())


def test_a_frequency_and_coarser_ones(vzarr_publish: Publisher, tmp_path: Path) -> None:
    """As `kerchunk.filter_frequency` says; what was built before is not gone."""
    places = {}
    for table in ("Amon", "day", "fx"):
        places[table] = f"CMIP6/CMIP/I/M/historical/r1i1p1f1/{table}/tas/gn/v20200101"
        File(frequency=None).write(tmp_path / "data" / places[table] / f"tas_{table}_M_historical_r1i1p1f1_gn_185001-185012.nc")
    ids = {table: place.replace("/", ".") for table, place in places.items()}
    data_roots = {str(tmp_path / "data"): "css03"}
    ledger = tmp_path / "ledger.sqlite"
    monthly = esgcet.write_config(tmp_path / "monthly.yaml", data_roots=data_roots, kerchunk={"filter_frequency": "mon"})
    everything = esgcet.write_config(tmp_path / "esg.yaml", data_roots=data_roots, kerchunk={"generation": True})
    vzarr_publish.scan(tmp_path / "data", "--config", monthly, ledger=ledger, expect=[0])
    assert set(vzarr_publish.stores(ledger)) == {ids["Amon"], ids["fx"]}
    vzarr_publish.scan(tmp_path / "data", "--config", everything, ledger=ledger, expect=[0])
    assert set(vzarr_publish.stores(ledger)) == set(ids.values())
    done = vzarr_publish.scan(tmp_path / "data", "--config", monthly, ledger=ledger, expect=[0])
    assert "gone" not in done.stderr
    stores = vzarr_publish.stores(ledger)
    assert all(store.built for store in stores.values()) and len(stores) == 3


def test_vocabularies(vzarr_publish: Publisher, tmp_path: Path) -> None:
    place = "CMIP6/CMIP/I/M/historical/r1i1p1f1/Amon/tas/gn/v20200101"
    File().write(tmp_path / "data" / place / "tas_Amon_M_historical_r1i1p1f1_gn_185001-185012.nc")
    vocabularies = tmp_path / "CVs"
    vocabularies.mkdir()
    (vocabularies / "CMIP6_table_id.json").write_text('{"table_id": ["Amon"], "version_metadata": {}}')
    (vocabularies / "CMIP6_source_id.json").write_text('{"source_id": {"CESM2": {"label": "CESM2"}}}')
    done = vzarr_publish.run("check", tmp_path / "data", "--cv", vocabularies)
    assert done.returncode == 0
    assert "source_id `M` is not in CMIP6_source_id.json" in done.stdout and "table_id" not in done.stdout
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"cv: {vocabularies}\n")
    ledger = tmp_path / "ledger.sqlite"
    vzarr_publish.scan(tmp_path / "data", "--config", settings, ledger=ledger, expect=[0])
    (store,) = vzarr_publish.stores(ledger).values()
    assert any("[not-in-vocabulary]" in warning for warning in vzarr_publish.warnings(store, ledger))


OWN = """
name: MYMIP
directory: [project, model, variable, version]
version: vN
values: {project: [MYMIP]}
file_name: [variable, model]
variable: variable
"""


def test_a_project_of_ones_own(vzarr_publish: Publisher, tmp_path: Path) -> None:
    File().write(tmp_path / "data/MYMIP/M/tas/v1/tas_M_185001-185012.nc")
    files = tmp_path / "projects"
    files.mkdir()
    (files / "MYMIP.yaml").write_text(OWN)
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"project_files: {files}\nproject: mymip\n")
    for number, options in enumerate([("--config", settings), ("--project-file", files / "MYMIP.yaml"), ("--project-file", files)]):
        ledger = tmp_path / f"{number}.sqlite"
        vzarr_publish.scan(tmp_path / "data", *options, ledger=ledger, expect=[0])
        assert set(vzarr_publish.stores(ledger)) == {"MYMIP.M.tas.v1"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OWN.replace("vN", "v1"), "version: unknown variant `v1`, expected `vYYYYMMDD` or `vN`"),
        (OWN.replace("[project, model", "[model"), "`values` has none for `model`, the first of `directory`"),
        (OWN + "dataset_id: [project, institute]\n", "`institute`, which is not in each directory"),
        (OWN.replace("file_name", "filename"), "unknown field `filename`"),
        (OWN.replace("[variable, model]", "variable"), 'file_name: invalid type: string "variable", expected a sequence'),
    ],
)
def test_mistakes_in_project_files(vzarr_publish: Publisher, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "MYMIP.yaml"
    file.write_text(text)
    done = vzarr_publish.run("scan", tmp_path, "--project-file", file, "--ledger", tmp_path / "ledger.sqlite")
    assert done.returncode == 2
    assert said in done.stderr and f"`{file}`" in done.stderr and "hint: " in done.stderr, done.stderr
    assert not (tmp_path / "ledger.sqlite").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"project": "CMIP66"}, "unknown project `CMIP66`"),
        ({"globus_uuid": 5}, "globus_uuid: invalid type: integer `5`, expected a text"),
        ({"mountpoint_map": ["/a"]}, "mountpoint_map: invalid type: sequence, expected a map of directories"),
        ({"kerchunk": {"format": "parquet"}}, "`kerchunk.format` is `parquet`: expected `json`"),
        ({"kerchunk": {"filter_frequency": "monthly"}}, "`kerchunk.filter_frequency` is `monthly`: expected one of subhr, "),
        ({"kerchunk": {"data_dir": {"refs": "https://r"}}}, "`kerchunk.data_dir` is `refs`: expected an absolute path"),
        ({"kerchunk": {"data_dir": {"/a": "https://r", "/b": "https://r"}}}, "`kerchunk.data_dir` has 2 entries"),
        ({"kerchunk": {"data_dir": {"/a": "r"}}}, "is not a URL prefix"),
        ({"user_project_config": {"mymip": {"DRS": "project"}}}, 'user_project_config.mymip.DRS: invalid type: string "project"'),
        ({"https_url": "https://h/{}"}, "`https_url` is not a URL with two holes"),
    ],
)
def test_mistakes_in_esg_yaml(vzarr_publish: Publisher, tmp_path: Path, settings: dict, said: str) -> None:
    config = esgcet.write_config(tmp_path / "esg.yaml", data_roots={"/data": "css03"}, **settings)
    done = vzarr_publish.run("scan", tmp_path, "--config", config, "--ledger", tmp_path / "ledger.sqlite")
    assert done.returncode == 2
    assert said in done.stderr and f"`{config}`" in done.stderr, done.stderr
    assert not (tmp_path / "ledger.sqlite").exists()


# Of the trees in mini-esgf-data of the roocs project, those that are neither CMIP6 nor CMIP7, which test_real_files.py has.
REAL = {
    "c3s-cmip5.output1.ICHEC.EC-EARTH.historical.day.atmos.day.r1i1p1.tas.v20131231",
    "c3s-cordex.output.ARC-44.BCCR.ECMWF-ERAINT.evaluation.r1i1p1.WRF331.v1.day.tas.v20200915",
    "c3s-cordex.output.EUR-11.IPSL.MOHC-HadGEM2-ES.rcp85.r1i1p1.WRF381P.v1.day.psl.v20190212",
    "cmip5.output1.BCC.bcc-csm1-1.rcp45.mon.ocean.Omon.r1i1p1.latest.zostoga",
    "cmip5.output1.ICHEC.EC-EARTH.historical.mon.atmos.Amon.r1i1p1.latest.tas",
    "cmip5.output1.INM.inmcm4.rcp45.mon.ocean.Omon.r1i1p1.latest.zostoga",
    "cmip5.output1.IPSL.IPSL-CM5A-LR.rcp45.mon.ocean.Omon.r1i1p1.latest.zostoga",
    "cmip5.output1.MOHC.HadGEM2-ES.historical.mon.atmos.Amon.r1i1p1.latest.tas",
    "cmip5.output1.MOHC.HadGEM2-ES.rcp45.day.land.day.r1i1p1.latest.mrsos",
    "cmip5.output1.MOHC.HadGEM2-ES.rcp85.day.land.day.r1i1p1.latest.mrsos",
    "cmip5.output1.MPI-M.MPI-ESM-LR.rcp45.mon.ocean.Omon.r1i1p1.latest.zostoga",
    "cordex.output.ANT-44.KNMI.ECMWF-ERAINT.evaluation.r1i1p1.HIRHAM5.v1.day.tas.v20201001",
    "cordex.output.EUR-11.IPSL.IPSL-IPSL-CM5A-MR.rcp85.r1i1p1.WRF381P.v1.day.zg500.v20190919",
    "cordex.output.EUR-22.GERICS.MPI-M-MPI-ESM-LR.rcp85.r1i1p1.REMO2015.v1.mon.tas.v20191029",
}


def test_real_directories(vzarr_publish: Publisher, tmp_path: Path) -> None:
    tree = sample_directory() / "mini-esgf"
    if not tree.is_dir():
        pytest.skip(f"no directory {tree}: VZARR_SAMPLE_DATA names one that holds mini-esgf")
    ledger = tmp_path / "ledger.sqlite"
    projects = ("--project", "CMIP5", "--project", "CORDEX", "--project", "C3S-CMIP5", "--project", "C3S-CORDEX")
    vzarr_publish.scan(tree, *projects, "--output-dir", tmp_path / "stores", ledger=ledger, expect=[0])
    stores = vzarr_publish.stores(ledger)
    assert set(stores) == REAL
    done = vzarr_publish.run("verify", "--seed", "1", "--ledger", ledger)
    assert done.returncode == 0, done.stderr
