-- Send every stable series that LesionMAP can read to its receiver, never what LesionMAP made.
-- SendToModality(series) fails in Orthanc 1.10 from OnStableSeries while its job says Success:
-- it wants instances. The REST route takes series.

local READABLE = { CT = true, MR = true, US = true, ES = true, GM = true, XC = true }
-- A series goes again only after another one was taken, so most of its failures are its own.
local MOST_FAILURES = 10
local sent = {}      -- series by job: Orthanc itself forgets jobs
local failed = {}    -- set of series
local failures = {}  -- how often, by series

-- Our results name us as manufacturer; the phantoms of `lesionmap sample` do too, but are originals.
local function made_by_lesionmap(series)
  local tags = ParseJson(RestApiGet('/series/' .. series .. '/shared-tags?simplify'))
  return tags.Manufacturer == 'LesionMAP' and (tags.ImageType or ''):find('^ORIGINAL') == nil
end

local function route(series)
  local answer = RestApiPost('/modalities/lesionmap/store',
                             DumpJson({ Resources = { series }, Synchronous = false }))
  sent[ParseJson(answer).ID] = series
end

function OnStableSeries(series, tags, metadata)
  if READABLE[tags.Modality] and not made_by_lesionmap(series) then
    route(series)
  end
end

-- The receiver is there: what it did not take goes again.
function OnJobSuccess(job)
  local series = sent[job]
  if series == nil then
    return
  end
  sent[job], failed[series], failures[series] = nil, nil, nil
  local again = failed
  failed = {}
  for other in pairs(again) do
    route(other)
  end
end

function OnJobFailure(job)
  local series = sent[job]
  if series == nil then
    return
  end
  sent[job] = nil
  failures[series] = (failures[series] or 0) + 1
  failed[series] = failures[series] < MOST_FAILURES or nil
  print('lesionmap did not take a series: ' .. series ..
        (failed[series] and '' or ', given up after ' .. MOST_FAILURES .. ' times'))
end
