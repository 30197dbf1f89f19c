"""`lesionmap pull` against Orthanc's DICOMweb."""

import subprocess
import sys
from pathlib import Path

import yaml

from lesionmap.operators.dicom.sample import write_sample
from tests.viewer.programs import ROOT, Orthanc, free_port


def test_a_study_is_pulled_and_its_results_stored_once(tmp_path):
    orthanc = Orthanc(tmp_path / "orthanc", free_port(), free_port(), free_port(), routes=False)
    images = write_sample(tmp_path / "sample")
    document = yaml.safe_load((ROOT / "app.yaml").read_text())
    document["lesionmap"]["pull"] = {"archive": {"url": f"{orthanc.url}/dicom-web"}}
    (tmp_path / "app.yaml").write_text(yaml.safe_dump(document))
    with orthanc.running():
        orthanc.upload(*sorted((tmp_path / "sample").rglob("*.dcm")))
        study = orthanc.get("/studies?expand")[0]["MainDicomTags"]["StudyInstanceUID"]
        command = [Path(sys.executable).with_name("lesionmap"), "pull", study, tmp_path / "out"]
        for _ in range(2):
            done = subprocess.run(
                [*command, "-c", tmp_path / "app.yaml"], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert "6 objects stored" in done.stdout
            assert len(orthanc.instance_uids("SEG")) == len(orthanc.instance_uids("SR")) == 3
        assert len(orthanc.get("/studies")) == 1
        assert orthanc.get("/statistics")["CountInstances"] == images + 6
