# The MAP for those who have only docker:   docker build --tag lesionmap .
#
# The same image as `lesionmap map build` makes: manifests, entry point and layout come from the
# stock packager in the first stage. tests/app/map_image compares the two files.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
COPY . /src
RUN python3 -m venv /tool \
    && /tool/bin/pip install --no-cache-dir --requirement /src/requirements/lock.txt \
    && /tool/bin/pip install --no-cache-dir --requirement /src/requirements/packaging.txt \
    && /tool/bin/pip install --no-cache-dir --no-deps --editable /src
ARG BASE
RUN /tool/bin/lesionmap map context /map --base-image ${BASE}
ENV PATH=/opt/holoscan/venv/bin:$PATH
# The first start of Python completes Holoscan's installation: it has to happen as root.
# The one font under the GPL is used by nothing.
RUN python3 -m venv /opt/holoscan/venv \
    && pip install --no-cache-dir --no-deps --requirement /map/pip/requirements.txt \
    && python3 -c pass \
    && rm -f /opt/holoscan/venv/lib/python3*/site-packages/reportlab/fonts/DarkGarden* \
    && pip install --no-cache-dir --no-deps /map/app/*.whl

FROM ${BASE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends --no-install-suggests jq \
    && rm -rf /var/lib/apt/lists/*
ARG UNAME=holoscan
ARG UID=1000
ARG GID=1000
RUN groupadd -f -g $GID $UNAME \
    && useradd -rm -d /home/$UNAME -s /bin/bash -g $GID -u $UID $UNAME \
    && mkdir -p /var/holoscan/input /var/holoscan/output \
    && chown -R $UNAME /var/holoscan

LABEL org.opencontainers.image.title="LesionMAP"
LABEL org.opencontainers.image.version="0.1.0"
LABEL org.nvidia.holoscan="4.2.0"
LABEL org.monai.deploy.app-sdk="4.0.0"

ENV HOLOSCAN_INPUT_PATH=/var/holoscan/input
ENV HOLOSCAN_OUTPUT_PATH=/var/holoscan/output
ENV HOLOSCAN_WORKDIR=/var/holoscan
ENV HOLOSCAN_APPLICATION=/opt/holoscan/app
ENV HOLOSCAN_TIMEOUT=0
ENV HOLOSCAN_MODEL_PATH=/opt/holoscan/models
ENV HOLOSCAN_DOCS_PATH=/opt/holoscan/docs
ENV HOLOSCAN_CONFIG_PATH=/var/holoscan/app.yaml
ENV HOLOSCAN_APP_MANIFEST_PATH=/etc/holoscan/app.json
ENV HOLOSCAN_PKG_MANIFEST_PATH=/etc/holoscan/pkg.json
ENV HOLOSCAN_LOGS_PATH=/var/holoscan/logs
ENV HOLOSCAN_VERSION=4.2.0
ENV HOME=/tmp
ENV PATH=/opt/holoscan/venv/bin:$PATH

WORKDIR /var/holoscan
COPY --from=build /map/pip/requirements.txt /opt/holoscan/requirements.txt
COPY --from=build /opt/holoscan/venv /opt/holoscan/venv
COPY --from=build /map/tools /var/holoscan/tools
COPY --from=build /map/models /opt/holoscan/models
COPY --from=build /map/docs /opt/holoscan/docs
COPY --from=build /map/map/app.json /etc/holoscan/app.json
COPY --from=build /map/app.config /var/holoscan/app.yaml
COPY --from=build /map/map/pkg.json /etc/holoscan/pkg.json
COPY --from=build /map/app /opt/holoscan/app

USER ${UID}:${GID}

ENTRYPOINT ["/var/holoscan/tools"]
