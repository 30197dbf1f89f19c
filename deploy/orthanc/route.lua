-- Send every stable series that LesionMAP can read to its receiver, never what LesionMAP made.
-- SendToModality(series) fails in Orthanc 1.10 from OnStableSeries while its job says Success:
-- it wants instances. The REST route takes series.

local READABLE = { CT = true, MR = true, US = true, ES = true, GM = true, XC = true }
local failed = {}

-- Our results name us as manufacturer; the phantoms of `lesionmap sample` do too, but are originals.
local function made_by_lesionmap(series)
  local tags = ParseJson(RestApiGet('/series/' .. series .. '/shared-tags?simplify'))
  return tags.Manufacturer == 'LesionMAP' and (tags.ImageType or ''):find('^ORIGINAL') == nil
end

local function route(series)
  RestApiPost('/modalities/lesionmap/store',
              DumpJson({ Resources = { series }, Synchronous = false }))
end

function OnStableSeries(series, tags, metadata)
  -- The receiver was down: what failed goes again as soon as anything else goes.
  local again = failed
  failed = {}
  for _, job in ipairs(again) do
    RestApiPost('/jobs/' .. job .. '/resubmit', '')
  end
  if READABLE[tags.Modality] and not made_by_lesionmap(series) then
    route(series)
  end
end

function OnJobFailure(job)
  local about = ParseJson(RestApiGet('/jobs/' .. job))
  if about.Type == 'DicomModalityStore' and about.Content.RemoteAet == 'LESIONMAP' then
    print('lesionmap did not take a series: job ' .. job)
    table.insert(failed, job)
  end
end
