"""The table of what the doctor looks at, in the order in which to mend it."""

from lesionmap.app.doctor import host, software
from lesionmap.app.doctor.diagnosis import Examination

EXAMINATIONS = (
    Examination("Python", software.look_at_python),
    Examination("processor", host.look_at_processor),
    Examination("memory", host.look_at_memory),
    Examination("packages", software.look_at_pins),
    Examination("CUDA runtime", software.look_at_cuda_runtime),
    Examination("Holoscan", software.look_at_framework),
    Examination("decoders", software.look_at_decoders),
    Examination("settings", software.look_at_settings),
    Examination("models", software.look_at_models),
    Examination("output", host.look_at_output),
    Examination("packager", software.look_at_packager),
    Examination("containers", host.look_at_engine),
    Examination("GPU", host.look_at_gpu),
)
