# The page of `switchyard xray --html` is compiled into switchyard_analysis.

if(_analysis_type STREQUAL "STATIC_LIBRARY")
  foreach(_asset xray.css document.js figures.js source.js film.js xray.js)
    string(REPLACE "." "_" _name "${_asset}")
    switchyard_embed(switchyard_analysis switchyard::xray_assets xray_${_name}
                     "${PROJECT_SOURCE_DIR}/analysis/xray/page/${_asset}")
  endforeach()
endif()
