# The pages that the program writes (templates, style, scripts) and d3 are compiled into
# switchyard_analysis, so that one binary writes pages that need no other file.

find_file(SWITCHYARD_D3 d3.min.js
          PATHS /usr/share/javascript/d3 /usr/share/nodejs/d3 NO_DEFAULT_PATH
          DOC "d3 version 3, minified (apt: libjs-d3)")
if(NOT SWITCHYARD_D3)
  message(FATAL_ERROR "d3.min.js not found: install libjs-d3, or set SWITCHYARD_D3")
endif()
mark_as_advanced(SWITCHYARD_D3)

# switchyard_embed(TARGET NAMESPACE NAME FILE): FILE's text as NAMESPACE::NAME in TARGET.
function(switchyard_embed TARGET NAMESPACE NAME FILE)
  set(output "${PROJECT_BINARY_DIR}/assets/${NAME}.cpp")
  set(script "${PROJECT_SOURCE_DIR}/cmake/EmbedAsset.cmake")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND ${CMAKE_COMMAND} -DINPUT=${FILE} -DNAME=${NAME} -DNAMESPACE=${NAMESPACE}
            -DOUTPUT=${output} -P ${script}
    DEPENDS "${FILE}" "${script}"
    COMMENT "Embedding ${NAME}" VERBATIM)
  target_sources(${TARGET} PRIVATE "${output}")
endfunction()

# switchyard_page(FOLDER PREFIX FILE...): the files of analysis/FOLDER/page in switchyard_analysis, each under
# its name, with PREFIX before it and underscores for dots, as analysis/FOLDER/assets.h declares it.
function(switchyard_page FOLDER PREFIX)
  foreach(asset ${ARGN})
    string(REPLACE "." "_" name "${PREFIX}${asset}")
    switchyard_embed(switchyard_analysis switchyard::${FOLDER}_assets ${name}
                     "${PROJECT_SOURCE_DIR}/analysis/${FOLDER}/page/${asset}")
  endforeach()
endfunction()

get_target_property(_analysis_type switchyard_analysis TYPE)
if(_analysis_type STREQUAL "STATIC_LIBRARY")
  switchyard_page(report "" template.html style.css statistics.js charts.js figures.js surfaces.js
                            verdicts.js gain.js spectra.js rho.js report.js bench.js start.js)
  switchyard_embed(switchyard_analysis switchyard::report_assets d3_js "${SWITCHYARD_D3}")
  switchyard_page(graph graph_ graph.html graph.css layout.js camera.js far.js view.js panes.js walk.js)
  switchyard_page(xray xray_ xray.css document.js figures.js source.js film.js xray.js)
endif()
